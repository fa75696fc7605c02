from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cytopipe.audit.statistics import (
    FAMILIES,
    LOSSLESS,
    NAMES,
    blockiness,
    file_statistics,
    image_statistics,
    jpeg_quality,
)
from cytopipe.errors import CytopipeError


def noise(height: int = 64, width: int = 64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(60, 190, (height, width, 3), dtype=np.uint8)


def saved(path: Path, **options: int) -> Path:
    Image.fromarray(noise()).save(path, None, **options)
    return path


@pytest.mark.parametrize("quality", [10, 35, 50, 75, 90, 95, 100])
def test_the_quality_of_a_jpeg_is_the_one_it_was_saved_with(quality: int, tmp_path: Path) -> None:
    found = file_statistics(saved(tmp_path / "a.jpg", quality=quality, subsampling=2))
    assert found["is_jpeg"] == 1
    assert found["jpeg_quality"] == pytest.approx(quality, abs=1)
    assert found["chroma_subsampling"] == 2


def test_other_files_are_lossless(tmp_path: Path) -> None:
    for name in ("a.png", "a.bmp", "a.tif"):
        found = file_statistics(saved(tmp_path / name))
        assert found == {"is_jpeg": 0, "jpeg_quality": LOSSLESS, "chroma_subsampling": 0}


def test_a_file_that_is_no_image_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("text")
    with pytest.raises(CytopipeError, match="not an image"):
        file_statistics(tmp_path / "a.jpg")


def test_odd_tables_give_a_quality_within_its_limits() -> None:
    assert jpeg_quality([0] * 64) == 100
    assert jpeg_quality([65535] * 64) == 1


def test_blocks_show_in_what_was_once_a_jpeg(tmp_path: Path) -> None:
    smooth = np.clip(noise() * 0.2 + np.linspace(40, 160, 64)[None, :, None], 0, 255).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=15)
    once = np.asarray(Image.open(tmp_path / "a.jpg").convert("L")).astype(np.float32)
    never = np.asarray(Image.fromarray(smooth).convert("L")).astype(np.float32)
    assert blockiness(once) > 1.5 * blockiness(never)
    assert blockiness(once[3:, 5:]) > 1.5 * blockiness(never[3:, 5:])  # wherever the grid lies
    assert blockiness(never[:10, :10]) == 1


def test_every_statistic_is_measured_and_finite(tmp_path: Path) -> None:
    for image in (noise(), np.zeros((5, 7, 3), np.uint8), np.full((1, 1, 3), 255, np.uint8), noise(2, 300)):
        found = image_statistics(image) | file_statistics(saved(tmp_path / "a.png"))
        assert set(found) == set(NAMES) == {name for family in FAMILIES.values() for name in family}
        assert np.isfinite(list(found.values())).all()


def test_statistics_follow_what_they_are_named_for() -> None:
    image = noise()
    plain = image_statistics(image)
    light = image_statistics((image + 20).astype(np.uint8))
    assert light["brightness"] == pytest.approx(plain["brightness"] + 20, abs=0.1)
    assert light["contrast"] == pytest.approx(plain["contrast"], rel=0.01)
    pale = image_statistics((100 + (image - 100.0) * 0.5).astype(np.uint8))
    assert pale["contrast"] == pytest.approx(plain["contrast"] / 2, rel=0.05)
    assert pale["edges"] == pytest.approx(plain["edges"], abs=0.05)  # a pale image is not a blurred one
    blurred = image_statistics(np.asarray(Image.fromarray(image).resize((32, 32)).resize((64, 64))))
    assert blurred["edges"] < plain["edges"] - 0.5
    framed = image.copy()
    framed[0] = 0
    framed[-1] = 255
    found = image_statistics(framed)
    assert found["black_border"] == pytest.approx(66 / 256, abs=0.01)
    assert found["white_border"] == pytest.approx(66 / 256, abs=0.01)
    padded = image_statistics(np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge"))
    assert padded["repeated_border"] > 0.95 > plain["repeated_border"] + 0.8
