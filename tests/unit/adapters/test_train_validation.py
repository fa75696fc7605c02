"""DB_3 and DB_4."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cytopipe.adapters.base import Sample
from cytopipe.adapters.registry import ADAPTERS
from cytopipe.adapters.train_validation import group_by_number
from cytopipe.core.params import DEVELOPMENT
from cytopipe.errors import CytopipeError
from fixture_types import LayOut, SaveImage


def read(name: str, raw: Path, **options: Any) -> list[Sample]:
    return ADAPTERS[name].read(raw, options, "k")


def test_numbered_folders_are_the_bethesda_classes(tmp_path: Path, lay_out: LayOut) -> None:
    found = [
        (sample.id, sample.label, sample.group, sample.split)
        for sample in read("bethesda", lay_out("bethesda", tmp_path))
    ]
    assert found == [
        ("train_HSIL_HSIL_1_1", "HSIL", "HSIL_1", "train"),
        ("train_HSIL_HSIL_1_2", "HSIL", "HSIL_1", "train"),
        ("train_LSIL_LSIL_1_1", "LSIL", "LSIL_1", "train"),
        ("train_LSIL_LSIL_1_2", "LSIL", "LSIL_1", "train"),
        ("train_NILM_NL_10_1", "NILM", "NL_10", "train"),
        ("train_NILM_NL_10_2", "NILM", "NL_10", "train"),
        ("train_SCC_scc_2_1", "SCC", "SCC_2", "train"),
        ("train_SCC_scc_2_2", "SCC", "SCC_2", "train"),
        ("val_HSIL_HSIL_1_3", "HSIL", "HSIL_1", "val"),
        ("val_LSIL_LSIL_1_3", "LSIL", "LSIL_1", "val"),
        ("val_NILM_NL_10_3", "NILM", "NL_10", "val"),
        ("val_SCC_scc_2_3", "SCC", "SCC_2", "val"),
    ]  # fmt: skip


def test_folders_may_bear_the_classes_names(tmp_path: Path, save_image: SaveImage) -> None:
    names = {
        "High squamous intra-epithelial lesion": "HSIL",
        "lsil": "LSIL",
        "Negative for Intraepithelial malignancy": "NILM",
        "SCC": "SCC",
    }
    for seed, name in enumerate(names):
        save_image(tmp_path / name / "a.jpg", seed)
    found = read("bethesda", tmp_path)
    assert sorted((sample.label, sample.split) for sample in found) == sorted((label, None) for label in names.values())


def test_patches_are_cells_or_background(tmp_path: Path, lay_out: LayOut) -> None:
    found = read("cell_background", lay_out("cell_background", tmp_path))
    assert [(sample.id, sample.label, sample.group, sample.split) for sample in found] == [
        ("train_background_slide_001_5", "background", "SLIDE_001", "train"),
        ("train_cell_slide_001_5", "cell", "SLIDE_001", "train"),
        ("val_background_slide_001_10", "background", "SLIDE_001", "val"),
        ("val_cell_slide_001_10", "cell", "SLIDE_001", "val"),
    ]
    assert ADAPTERS["cell_background"].classes == ("background", "cell")


@pytest.mark.parametrize("name", ["bethesda", "cell_background"])
def test_the_publishers_validation_images_can_be_for_testing(name: str, tmp_path: Path, lay_out: LayOut) -> None:
    found = read(name, lay_out(name, tmp_path), validation="test")
    assert {(sample.id.split("_")[0], sample.split) for sample in found} == {("train", DEVELOPMENT), ("val", "test")}


@pytest.mark.parametrize(
    ("stem", "group"),
    [
        ("HSIL_1 (12)", "HSIL_1"),
        ("HSIL_11 (2)", "HSIL_11"),
        ("NL_10_ (1)", "NL_10"),
        ("scc_2 (1)", "SCC_2"),
        ("SCC_2(1)", "SCC_2"),
        ("HSIL_1", "x_HSIL_1"),
        ("12", "x_12"),
        ("cell_3_4", "x_cell_3_4"),
    ],
)
def test_copies_of_an_original_are_known_by_their_second_number(stem: str, group: str) -> None:
    assert group_by_number("x", stem) == group


def test_patches_can_be_grouped_by_a_pattern(tmp_path: Path, save_image: SaveImage) -> None:
    for label in ("cell", "background"):
        save_image(tmp_path / "train" / label / f"{label}-f7-1.png")
    found = read("cell_background", tmp_path, group_pattern=r"-(f\d)-")
    assert {sample.group for sample in found} == {"f7"}
    with pytest.raises(CytopipeError, match=r"options\.group_pattern: .* finds no group in 'background-f7-1'"):
        read("cell_background", tmp_path, group_pattern=r"(g\d)")
    with pytest.raises(CytopipeError, match="put parentheses around"):
        read("cell_background", tmp_path, group_pattern="f7")
