"""Outlines and new cells in a table of corrections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cytopipe.core.io.hashing import sha256_bytes
from cytopipe.core.params import SPLITS, Dataset
from cytopipe.data.imaging.decode import encode_png, read_png
from cytopipe.data.imaging.masks import encode_mask, read_mask
from cytopipe.data.manifest import Row
from cytopipe.data.organize import organize
from cytopipe.errors import CytopipeError
from cytopipe.paths import CORRECTIONS
from cytopipe.results.dataset import DatasetSummary
from fixture_types import SaveImage

SIZE = (12, 10)
Organized = tuple[list[Row], dict[str, Any], Path]
Correct = Callable[..., Organized]


@pytest.fixture
def correct(tmp_path: Path, save_image: SaveImage, monkeypatch: pytest.MonkeyPatch) -> Correct:
    """Organize twelve patients with cells of two classes, with these rows (image,label,reason,mask,file,group)."""
    for patient in range(12):
        for cell in range(4):
            label = ("benign", "malignant")[cell % 2]
            save_image(tmp_path / "raw" / label / f"P{patient:02}_{cell}.png", patient * 4 + cell, SIZE)
    monkeypatch.chdir(tmp_path)
    (CORRECTIONS / "mine").mkdir(parents=True)
    runs = 0

    def run(rows: Sequence[str] = (), **changes: Any) -> Organized:
        nonlocal runs
        runs += 1
        lines = ("image,label,reason,mask,file,group", *rows)
        (CORRECTIONS / "mine.csv").write_text("\n".join(lines) + "\n")
        options = {"group_pattern": r"(P\d+)_", "corrections": "workflow/corrections/mine.csv"}
        values = {
            "adapter": "folder",
            "source": {"kind": "archive", "path": "cells"},
            "options": options,
            "exclude_classes": [],
            "bad_images": "error",
            "split": {"val": 0.25, "test": 0.25, "seed": 0},
            "segmenter": "otsu",
            "image_size": 32,
        }
        folder = tmp_path / f"out{runs}"
        folders = {name: folder / name for name in (*SPLITS, "masks")}
        for path in folders.values():
            path.mkdir(parents=True)
        dataset = Dataset.model_validate(values | changes)
        found, summary = organize("cells", dataset, Path("raw"), folders, lambda items, total: items)
        DatasetSummary.model_validate(summary)
        return found, summary, folder

    return run


def first(rows: Sequence[Row], split: str) -> Row:
    return next(row for row in rows if (row.split, row.label) == (split, "benign"))


def save_mask(name: str = "one.png", size: tuple[int, int] = SIZE, value: int = 2) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    mask[2:8, 2:8] = 1
    mask[4:6, 4:6] = value
    (CORRECTIONS / "mine" / name).write_bytes(encode_mask(mask))
    return mask


def save_cell(name: str = "new.png", seed: int = 900) -> np.ndarray:
    cell = np.random.default_rng(seed).integers(0, 256, (14, 9, 3), np.uint8)
    (CORRECTIONS / "mine" / name).write_bytes(encode_png(cell))
    return cell


def test_outlines_replace_the_mask_and_nothing_else(correct: Correct) -> None:
    before, _, _ = correct()
    chosen = first(before, "train")
    mask = save_mask()
    after, summary, folder = correct([f"{chosen.id},benign,outlined,mine/one.png,,"])
    row = next(row for row in after if row.id == chosen.id)
    assert (read_mask(folder / row.mask_path) == mask).all()
    assert row.mask_sha256 == sha256_bytes((CORRECTIONS / "mine/one.png").read_bytes())
    assert [one for one in after if one.id != chosen.id] == [one for one in before if one.id != chosen.id]
    assert (summary["masks"], summary["corrections"]["outlined"], summary["corrections"]["confirmed"]) == (1, 1, 1)


def test_a_new_cell_is_trained_on_and_moves_no_image(correct: Correct) -> None:
    before, _, _ = correct()
    cell, mask = save_cell(), save_mask("mask.png", (14, 9))
    after, summary, folder = correct(["field_0007,malignant,seen,mine/mask.png,mine/new.png,field"])
    (row,) = (row for row in after if row.id == "field_0007")
    assert [one for one in after if one is not row] == before
    assert (row.split, row.label, row.group) == ("train", "malignant", "field")
    assert (read_png(folder / row.path) == cell).all() and (read_mask(folder / row.mask_path) == mask).all()
    assert (Path("raw") / row.source).resolve() == (CORRECTIONS / "mine/new.png").resolve()
    assert summary["corrections"]["added"] == 1 and summary["images"] == len(before) + 1
    assert summary["files"]["images"] == len(before)  # of the publisher's


def test_a_new_cell_of_a_known_group_is_where_its_group_is(correct: Correct) -> None:
    before, _, _ = correct()
    save_cell()
    group = first(before, "val").group
    after, _, _ = correct([f"new,benign,seen,,mine/new.png,{group}"])
    assert next(row for row in after if row.id == "new").split == "val"


def test_what_shows_test_images_is_refused(correct: Correct) -> None:
    before, _, folder = correct()
    tested = first(before, "test")
    save_mask()
    save_cell()
    with pytest.raises(CytopipeError, match="is a test image"):
        correct([f"{tested.id},benign,outlined,mine/one.png,,"])
    with pytest.raises(CytopipeError, match="which are test images"):
        correct([f"new,benign,seen,,mine/new.png,{tested.group}"])
    (CORRECTIONS / "mine/copy.png").write_bytes((folder / tested.path).read_bytes())
    with pytest.raises(CytopipeError, match="which are test images"):
        correct(["new,benign,seen,,mine/copy.png,elsewhere"])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("new,benign,seen,,mine/none.png,g", "there is no file .*none.png"),
        ("new,benign,seen,,../../raw/benign/P00_0.png,g", "does not lie below"),
        ("new,cyst,seen,,mine/new.png,g", "'cyst' is no class"),
        ("benign__P00_0,benign,seen,,mine/new.png,g", "has an image 'benign__P00_0' already"),
        (",benign,seen,,mine/new.png,g", "no id is given"),
        ("../up,benign,seen,,mine/new.png,g", "cannot name a file"),
        ("new,benign,a,,mine/new.png,g\nnew,benign,b,,mine/new.png,g", "stands twice"),
        ("benign__P00_0,benign,seen,mine/new.png,,", "not a palette mask"),
        ("benign__P00_0,benign,seen,mine/high.png,,", "holds the value 3"),
        ("benign__P00_0,benign,seen,mine/wide.png,,", "12.*20|20.*12"),
    ],
)
def test_mistakes_are_named(correct: Correct, row: str, message: str) -> None:
    save_cell()
    save_mask("high.png", value=3)
    save_mask("wide.png", (12, 20))
    with pytest.raises(CytopipeError, match=message):
        correct(row.split("\n"))
