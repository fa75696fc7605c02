from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from cytopipe.core.io import workers
from cytopipe.core.params import Reading
from cytopipe.data.value_range import Spread, choose_range, dataset_reading, reading_summary, spread_of


def spread(low: float, high: float, kind: str = "16-bit") -> Spread:
    return Spread(kind, low, high, low, high)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spreads", "expected"),
    [
        ([spread(0, 255)], (0, 255)),
        ([spread(0, 256)], (0, 511)),
        ([spread(30, 3000), spread(10, 900)], (0, 4095)),
        ([spread(0, 4095)], (0, 4095)),
        ([spread(0, 4096)], (0, 8191)),
        ([spread(9, 65_535)], (0, 65_535)),
        ([spread(40_000, 40_000)], (0, 65_535)),
        ([spread(1000, 1400)], (1000, 1400)),
        ([spread(1000, 1500), spread(1100, 1600)], (0, 2047)),
        ([spread(-50, 900)], (-50, 900)),
        ([spread(0, 0)], (0, 1)),
        ([spread(0.0, 0.9, "float")], (0, 1)),
        ([spread(0.5, 0.6, "float")], (0.5, 0.6)),
        ([spread(0.0, 200.0, "float")], (0, 255)),
        ([spread(-1.0, 1.0, "float")], (-1, 1)),
        ([spread(0, 2**31, "32-bit")], (0, 2**32 - 1)),
    ],
)
def test_the_range_that_is_chosen(spreads: list[Spread], expected: tuple[float, float]) -> None:
    assert choose_range(spreads) == expected


def test_the_ends_of_an_image_leave_a_thousandth_out() -> None:
    values = np.arange(10_000, dtype=np.uint16)
    assert spread_of(values, "16-bit") == Spread("16-bit", 10, 9989, 0, 9999)
    assert spread_of(np.array([[5, 9], [7, 60_000]], np.uint16), "16-bit") == Spread("16-bit", 7, 9, 5, 60_000)
    assert spread_of(np.array([3, 4]), "16-bit") == Spread("16-bit", 3, 4, 3, 4)


def write(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{number:02}.tif" for number in range(count)]
    for number, path in enumerate(paths):
        tifffile.imwrite(path, np.linspace(number, 3000 + number, 600).astype(np.uint16).reshape(20, 30))
    return paths


def test_the_number_of_processes_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PATIENCE_S", 0)
    paths = write(tmp_path, 20)
    one, two = (dataset_reading(paths, "auto", Reading(), "k", count) for count in (1, 2))
    assert one == two == (Reading(range=(0, 4095)), {"16-bit": 20})


def test_a_file_that_cannot_be_read_is_left_to_organize(tmp_path: Path) -> None:
    paths = write(tmp_path, 3)
    paths[1].write_bytes(b"II*\0 and nothing more")
    paths[2].unlink()
    assert dataset_reading(paths, "auto", Reading(), "k") == (Reading(range=(0, 4095)), {"16-bit": 1})


def test_no_value_of_8_bit_images_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    assert dataset_reading([tmp_path / "a.png"], "auto", Reading(), "k") == (Reading(), {"8-bit": 1})


def test_a_few_bright_images_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paths = write(tmp_path, 3)
    tifffile.imwrite(paths[0], np.full((20, 30), 65_000, np.uint16))
    found, _ = dataset_reading(paths, "auto", Reading(), "datasets.d.options")
    assert found.range == (0, 65_535)
    assert "the brightest value of half the images is 2996 or less, so that they keep fewer than 16" in caplog.text


def test_the_summary_says_what_differs_from_the_plainest() -> None:
    assert reading_summary(Reading()) == {}
    full = Reading(range=(0, 4095), alpha="drop", channels=(0,), page=2)
    assert reading_summary(full) == {"range": [0, 4095], "alpha": "drop", "channels": [0], "page": 2}
