from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cytopipe.adapters.base import Sample
from cytopipe.adapters.registry import ADAPTERS
from cytopipe.adapters.sipakmed import CLASSES, draw_published_split, read_contour
from cytopipe.errors import CytopipeError
from fixture_types import SaveImage
from samples import true_mask

CYTOPLASM, NUCLEUS = "1,1\n7,1\n7,6\n1,6\n", "3,3\n5,3\n5,4\n3,4\n"


def read(raw: Path, images: str = "cells") -> list[Sample]:
    return ADAPTERS["sipakmed"].read(raw, {"images": images}, "k")


@pytest.fixture
def raw(tmp_path: Path, save_image: SaveImage) -> Path:
    """Two classes, with one field each and their isolated cells; folders of one class in another case."""
    for folder, cells in (("im_Parabasal/im_Parabasal", 3), ("IM_METAPLASTIC/im_metaplastic", 1)):
        field = tmp_path / folder / "012.bmp"
        save_image(field, size=(9, 12))
        cropped = field.parent / ("CROPPED" if "Parabasal" in folder else "Cropped")
        for cell in range(1, cells + 1):
            field.with_name(f"012_cyt{cell:02d}.dat").write_text(CYTOPLASM)
            field.with_name(f"012_nuc{cell:02d}.dat").write_text(NUCLEUS)
            save_image(cropped / f"012_{cell:02d}.bmp", size=(9, 12))
            (cropped / f"012_{cell:02d}_cyt.dat").write_text(CYTOPLASM)
            (cropped / f"012_{cell:02d}_nuc.dat").write_text(NUCLEUS)
    return tmp_path


def test_isolated_cells_come_from_cropped_grouped_by_class_and_field(raw: Path) -> None:
    found = [(sample.id, sample.label, sample.group) for sample in read(raw)]
    assert found == [
        ("Metaplastic_012_01", "Metaplastic", "Metaplastic_012"),
        ("Parabasal_012_01", "Parabasal", "Parabasal_012"),
        ("Parabasal_012_02", "Parabasal", "Parabasal_012"),
        ("Parabasal_012_03", "Parabasal", "Parabasal_012"),
    ]
    assert all(sample.image.parent.name.upper() == "CROPPED" for sample in read(raw))


def test_fields_are_their_own_groups(raw: Path) -> None:
    found = [(sample.id, sample.label, sample.group) for sample in read(raw, "fields")]
    assert found == [
        ("Metaplastic_012", "Metaplastic", "Metaplastic_012"),
        ("Parabasal_012", "Parabasal", "Parabasal_012"),
    ]


@pytest.mark.parametrize("images", ["cells", "fields"])
def test_contours_become_masks(images: str, raw: Path) -> None:
    expected = np.zeros((9, 12), np.uint8)
    expected[1:7, 1:8], expected[3:5, 3:6] = 1, 2
    for sample in read(raw, images):
        assert np.array_equal(true_mask(sample, (9, 12)), expected)


def test_classes_are_in_the_papers_order() -> None:
    assert ADAPTERS["sipakmed"].classes == CLASSES == tuple(sorted(CLASSES))


def test_blank_lines_spaces_and_dos_line_ends_are_allowed(tmp_path: Path) -> None:
    (tmp_path / "c.dat").write_bytes(b"\r\n 1.5, 2 \r\n\r\n3 ,4.25\r\n   \r\n-5e1,6\r\n\r\n")
    assert read_contour(tmp_path / "c.dat").tolist() == [[1.5, 2], [3, 4.25], [-50, 6]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1,2\n3,4\n\n5;6\n", r"c\.dat:4: not an x,y pair: '5;6'\n  -> write two numbers per line"),
        (b"1,2\n3,4,5\n", r"c\.dat:2: not an x,y pair"),
        (b"1,2\nx,y\n", r"c\.dat:2: not an x,y pair"),
        (b"1,2\n3,nan\n", r"c\.dat:2: not an x,y pair: '3,nan'"),
        (b"inf,2\n", r"c\.dat:1: not an x,y pair"),
        (b"\x00\xff\xfe\x93", r"c\.dat:1: not an x,y pair"),
        (b"1,2\n3,4\n", r"c\.dat: a contour needs 3 points, this has 2"),
        (b"", r"c\.dat: a contour needs 3 points, this has 0"),
    ],
    ids=["semicolon", "three", "text", "nan", "inf", "binary", "two points", "empty"],
)
def test_bad_lines_are_named(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "c.dat").write_bytes(content)
    with pytest.raises(CytopipeError, match=message):
        read_contour(tmp_path / "c.dat")


def test_a_missing_contour_is_named(raw: Path) -> None:
    (raw / "im_Parabasal/im_Parabasal/CROPPED/012_02_nuc.dat").unlink()
    (raw / "im_Parabasal/im_Parabasal/012_nuc03.dat").unlink()
    with pytest.raises(CytopipeError, match=r"012_02_nuc\.dat: no such contour"):
        true_mask(read(raw)[2], (9, 12))
    with pytest.raises(CytopipeError, match=r"012_nuc03\.dat: no such contour"):
        true_mask(read(raw, "fields")[1], (9, 12))


def test_a_field_without_contours_is_no_empty_mask(raw: Path, save_image: SaveImage) -> None:
    save_image(raw / "im_Parabasal/im_Parabasal/013.bmp")
    with pytest.raises(CytopipeError, match=r"013\.bmp: no contour 013_cyt\*\.dat lies beside it"):
        true_mask(read(raw, "fields")[2], (12, 10))


@pytest.mark.parametrize("images", ["cells", "fields"])
def test_an_unknown_class_folder_says_what_was_expected_and_found(images: str, raw: Path) -> None:
    (raw / "im_Parabasal").rename(raw / "im_Parabasel")
    (raw / "im_Parabasel/im_Parabasal").rename(raw / "im_Parabasel/im_Parabasel")
    with pytest.raises(CytopipeError) as error:
        read(raw, images)
    expected = "the folder 'im_Parabasel/im_Parabasel' is not a class of SIPaKMeD: expected SIPaKMeD (im_<"
    assert expected in str(error.value)
    assert "found IM_METAPLASTIC/im_metaplastic, im_Parabasel/im_Parabasel" in error.value.what
    assert "https://www.cs.uoi.gr/~marina/sipakmed.html" in str(error.value)


def test_the_choice_of_images_is_checked(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match=r"k: images: Input should be 'cells' or 'fields' \(given: 'slides'\)"):
        read(tmp_path, "slides")


# Fields and isolated cells of each class, and what system D reports of its split.
REAL = {"fields": (223, 238, 271, 108, 126), "cells": (813, 825, 793, 787, 831)}


@pytest.mark.parametrize(("images", "expected"), [("fields", (674, 191, 101)), ("cells", (2832, 808, 409))])
def test_system_ds_split_has_its_counts(images: str, expected: tuple[int, int, int]) -> None:
    counts: Counter[str] = Counter()
    for size in REAL[images]:
        counts.update(draw_published_split([f"{number:03d}.bmp" for number in range(size)]).values())
    assert tuple(counts[split] for split in ("train", "val", "test")) == expected


def test_system_ds_split_is_that_of_pythons_generator_for_files_in_any_order() -> None:
    names = [f"{number:03d}.bmp" for number in range(1, 24)]
    random.seed(230)
    shuffled = sorted(names)
    random.shuffle(shuffled)
    expected = {"train": set(shuffled[:16]), "val": set(shuffled[16:20]), "test": set(shuffled[20:])}
    split = draw_published_split(names[::-1])
    assert {side: {name for name in names if split[name] == side} for side in expected} == expected


def test_every_class_is_split_for_itself(raw: Path, save_image: SaveImage) -> None:
    for number in range(20, 29):
        save_image(raw / f"im_Parabasal/im_Parabasal/{number:03d}.bmp", number)
    found = {sample.id: sample.split for sample in read(raw, "fields")}
    expected = draw_published_split(["012.bmp", *(f"{number:03d}.bmp" for number in range(20, 29))])
    assert found.pop("Metaplastic_012") == "test"  # 70 % and 20 % of one, rounded down, are none
    assert found == {f"Parabasal_{name[:3]}": side for name, side in expected.items()}
    assert Counter(found.values()) == {"train": 7, "val": 2, "test": 1}
