from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cytopipe.adapters.base import Sample
from cytopipe.adapters.herlev import CLASSES
from cytopipe.adapters.registry import ADAPTERS
from cytopipe.errors import CytopipeError
from fixture_types import LayOut, SaveImage
from samples import true_mask


def read(raw: Path, **options: Any) -> list[Sample]:
    return ADAPTERS["herlev"].read(raw, options, "k")


@pytest.fixture
def raw(tmp_path: Path, lay_out: LayOut) -> Path:
    return lay_out("herlev", tmp_path)


def test_a_mask_is_no_image_and_the_group_is_the_first_number(raw: Path) -> None:
    found = [(sample.label, sample.id, sample.group) for sample in read(raw)]
    assert found == [
        (label, f"14849496{index // 2}-148494986-{index:03d}", f"14849496{index // 2}")
        for index, label in enumerate(CLASSES)
    ]


def test_a_group_can_span_classes(raw: Path) -> None:
    spans: dict[str, set[str]] = defaultdict(set)
    for sample in read(raw):
        spans[sample.group].add(sample.label)
    assert spans["148494961"] == {"normal_columnar", "light_dysplastic"}


def test_the_two_classes_are_normal_and_abnormal(raw: Path) -> None:
    labels = [sample.label for sample in read(raw, classes=2)]
    assert labels == ["normal"] * 3 + ["abnormal"] * 4
    assert ADAPTERS["herlev"].class_order({"classes": 2}, "k") == ("normal", "abnormal")
    assert ADAPTERS["herlev"].class_order({}, "k") == CLASSES
    with pytest.raises(CytopipeError, match=r"classes: Input should be 7 or 2 \(given: 3\)"):
        read(raw, classes=3)


def test_colours_become_masks_and_the_undefined_rim_is_background(raw: Path) -> None:
    expected = np.zeros((12, 10), np.uint8)
    expected[3:10, 2:8], expected[4:6, 4:6] = 1, 2
    for sample in read(raw):
        assert np.array_equal(true_mask(sample, (12, 10)), expected)


def test_masks_of_palette_images_and_names_in_another_case_are_read(raw: Path) -> None:
    mask = next(raw.rglob("normal_columnar/*-d.bmp"))
    Image.open(mask).convert("P", palette=Image.Palette.ADAPTIVE).save(mask.with_name(mask.stem.upper() + ".BMP"))
    mask.unlink()
    sample = next(sample for sample in read(raw) if sample.label == "normal_columnar")
    assert np.unique(true_mask(sample, (12, 10))).tolist() == [0, 1, 2]


def test_another_colour_is_named(raw: Path) -> None:
    mask = next(raw.rglob("normal_columnar/*-d.bmp"))
    pixels = np.asarray(Image.open(mask)).copy()
    pixels[0, :2] = 1, 2, 3
    Image.fromarray(pixels).save(mask)
    sample = next(sample for sample in read(raw) if sample.label == "normal_columnar")
    with pytest.raises(CytopipeError, match=r"-d\.bmp: 2 pixels of the mask have none of .*, first \(1, 2, 3\)"):
        true_mask(sample, (12, 10))


def test_a_missing_mask_is_named(raw: Path) -> None:
    next(raw.rglob("normal_columnar/*-d.bmp")).unlink()
    sample = next(sample for sample in read(raw) if sample.label == "normal_columnar")
    with pytest.raises(CytopipeError, match=r"148494961-148494986-002-d\.bmp: no such mask\n  -> every image"):
        true_mask(sample, (12, 10))


def test_a_name_that_is_no_id_is_told(raw: Path, save_image: SaveImage) -> None:
    save_image(raw / "smear2005/New database pictures/normal_columnar/cell1.BMP")
    with pytest.raises(CytopipeError, match=r"normal_columnar/cell1\.BMP' is not named after three numbers: expected"):
        read(raw)
