from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cytopipe.core.io import workers
from cytopipe.errors import CytopipeError
from cytopipe_phantoms.registry import find_writer, layouts
from cytopipe_phantoms.spec import Section
from cytopipe_phantoms.writer import SPLIT, File, Labelled, Request, Unit, Writer, encode_image, split_of
from files import contents


class Table(Section):
    """Classes without traits."""

    classes: dict[str, None]


def draw(table: Table, request: Request, unit: Unit) -> Iterator[File]:
    """As many images as the request says, and a note."""
    for number in range(request.cells_per_field):
        pixels = np.full((4, 5, 3), 10 * unit.index + unit.number, np.uint8)
        yield File(f"{SPLIT}/{unit.label}/{unit.number}_{number}.png", pixels, unit.label or "any")
    yield File(f"notes/{unit.label}{unit.number}.txt", "a\r\n")


TABLES = Path(__file__).parents[3] / "workflow" / "phantoms"
REQUEST = Request(seed=0, fields_per_class=3, cells_per_field=2, scale=1.0)


def write(folder: Path, writer: Writer[Table], request: Request = REQUEST) -> list[tuple[int, int]]:
    """Write the dataset into `folder`/out; the calls of `progress`."""
    (folder / "table.yaml").write_text("classes: {b: null, a: null}\n")
    seen: list[tuple[int, int]] = []
    writer.write(folder / "out", folder / "table.yaml", request, lambda done, total: seen.append((done, total)))
    return seen


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder / "out").as_posix() for path in (folder / "out").rglob("*") if path.is_file()}


def test_each_class_has_units_of_its_own_and_every_fifth_of_its_images_is_for_validation(tmp_path: Path) -> None:
    assert write(tmp_path, Writer(Table, draw)) == [(done, 6) for done in range(1, 7)]
    images = {f"{unit}_{number}.png" for unit in range(3) for number in range(2)}
    wanted = {f"train/{label}/{name}" for label in "ab" for name in images - {"2_0.png"}}
    wanted |= {f"validation/{label}/2_0.png" for label in "ab"}
    assert names(tmp_path) == wanted | {f"notes/{label}{number}.txt" for label in "ab" for number in range(3)}
    pixels = np.asarray(Image.open(tmp_path / "out/train/a/1_0.png"))
    assert pixels.shape == (4, 5, 3) and np.unique(pixels).tolist() == [11]  # `a` is the second class of the table
    assert (tmp_path / "out/notes/a0.txt").read_bytes() == b"a\r\n"


def test_units_of_all_classes_are_counted_over_the_dataset(tmp_path: Path) -> None:
    assert write(tmp_path, Writer(Table, draw, mixed=True)) == [(1, 3), (2, 3), (3, 3)]


def test_the_number_of_processes_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PATIENCE_S", 0)  # so that units are drawn in processes, however quick they are
    table = TABLES / "malaria.yaml"
    request = Request(seed=1, fields_per_class=4, cells_per_field=2, scale=0.2)
    for count in (1, 3):
        find_writer("malaria", "k").write(tmp_path / str(count), table, request, workers=count)
    assert contents(tmp_path / "1") == contents(tmp_path / "3")
    assert len(contents(tmp_path / "1")) > 4


@pytest.mark.parametrize(("suffix", "shape"), [(".png", (7, 9, 3)), (".png", (7, 9)), (".bmp", (7, 9, 3))])
def test_an_encoded_image_is_read_back_as_it_was(suffix: str, shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    with Image.open(io.BytesIO(encode_image(image, suffix))) as found:
        np.testing.assert_array_equal(np.asarray(found), image)


def test_an_index_is_told_the_images_in_the_order_of_drawing(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []

    def index(images: Labelled) -> Iterator[File]:
        told.extend(images)
        yield File("index.csv", "x")

    write(tmp_path, Writer(Table, draw, index=index), replace(REQUEST, fields_per_class=1))
    assert told == [(f"train/{label}/0_{number}.png", label) for label in "ba" for number in range(2)]
    assert (tmp_path / "out/index.csv").read_text() == "x"


def test_a_table_with_other_classes_or_in_another_order_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match="this layout has the classes a, b; the table has b, a"):
        write(tmp_path, Writer(Table, draw, classes=("a", "b")))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "value", "range_"),
    [
        ("seed", -1, "at least 0"),
        ("fields_per_class", 0, "at least 1"),
        ("cells_per_field", 0, "at least 1"),
        ("scale", 0.0, r"from 0\.05 to 2"),
        ("scale", 2.1, r"from 0\.05 to 2"),
    ],
)
def test_a_number_out_of_range_is_refused_by_name(name: str, value: Any, range_: str) -> None:
    with pytest.raises(CytopipeError, match=f"{name} must be {range_}"):
        replace(REQUEST, **{name: value})


def test_every_fifth_image_is_for_validation() -> None:
    assert [split_of(number) for number in (1, 4, 5, 6, 10)] == ["train", "train", "validation", "train", "validation"]


def test_every_writer_is_found_by_its_layout() -> None:
    assert len(layouts()) >= 7
    for layout in layouts():
        assert isinstance(find_writer(layout, "k"), Writer)
    with pytest.raises(CytopipeError, match="k: no phantoms have the layout 'hep3'; did you mean: hep2"):
        find_writer("hep3", "k")
