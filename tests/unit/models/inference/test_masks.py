from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cytopipe.core.io import workers
from cytopipe.core.io.hashing import hash_tree, sha256_file
from cytopipe.data.imaging.decode import encode_png
from cytopipe.data.imaging.masks import read_mask
from cytopipe.data.manifest import Row
from cytopipe.errors import CytopipeError
from cytopipe.models.folder import save_model
from cytopipe.models.inference.masks import generate_masks, models_of
from cytopipe.models.registry import build
from cytopipe.results.model_spec import ModelSpec
from cytopipe.training.folds import assign_folds


def rows(splits: Sequence[str]) -> list[Row]:
    return [
        Row(f"{i:02}", f"{i:02}.png", "ab"[i % 2], i % 2, split, f"g{i}", 40, 24, "0" * 64)
        for i, split in enumerate(splits)
    ]


ROWS = rows(["train"] * 6 + ["val", "test"])


def otsu(folder: Path, *, dark_cells: bool) -> None:
    """Write a model folder that segments the dark, or the bright part of an image."""
    spec = ModelSpec(
        task="segmentation",
        architecture="otsu",
        arguments={"dark_cells": dark_cells},
        classes=("cyt", "nuc"),
        channels="rgb",
        input_size=32,
        mean=(0, 0, 0),
        std=(1, 1, 1),
        training_data_sha256="0" * 64,
        view={"view": "tiles", "input_size": 32, "scale": 1.0, "overlap": 0.0},
    )
    save_model(folder, build("otsu", dark_cells=dark_cells), spec)


@pytest.fixture
def segmenter(tmp_path: Path) -> Path:
    """A segmenter whose fold 0 finds the bright half of an image; the main model and fold 1 find the dark half."""
    folder = tmp_path / "segmenter"
    otsu(folder, dark_cells=True)
    otsu(folder / "folds" / "0", dark_cells=False)
    otsu(folder / "folds" / "1", dark_cells=True)
    (folder / "folds.json").write_text(json.dumps({f"{i:02}": i % 2 for i in range(6)}))
    return folder


@pytest.fixture
def organized(tmp_path: Path) -> Path:
    """Images of 24 x 32 px, the left half black and the right half white."""
    folder = tmp_path / "organized"
    folder.mkdir()
    image = np.zeros((24, 32, 3), np.uint8)
    image[:, 16:] = 255
    for row in ROWS:
        (folder / row.path).write_bytes(encode_png(image))
    return folder


def generate(organized: Path, segmenter: Path, target: Path, *, trained_on_it: bool, count: int = 1) -> list[Row]:
    def progress(items: Iterable[Any], total: int) -> Iterable[Any]:
        return items

    target.mkdir()
    return generate_masks(organized, ROWS, segmenter, trained_on_it, target, torch.device("cpu"), progress, count)


def test_a_training_image_is_segmented_by_its_folds_model_and_others_by_the_main_one(
    organized: Path, segmenter: Path, tmp_path: Path
) -> None:
    found = generate(organized, segmenter, tmp_path / "masks", trained_on_it=True)
    assert [row.id for row in found] == [row.id for row in ROWS]
    for row in found:
        mask = read_mask(tmp_path / "masks" / f"{row.id}.png")
        assert mask.shape == (24, 32)
        of_bright_half = row.split == "train" and int(row.id) % 2 == 0
        assert np.array_equal(mask[0] > 0, np.arange(32) >= 16 if of_bright_half else np.arange(32) < 16)


def test_another_dataset_is_segmented_by_the_main_model_alone(organized: Path, segmenter: Path, tmp_path: Path) -> None:
    generate(organized, segmenter, tmp_path / "masks", trained_on_it=False)
    masks = {file.read_bytes() for file in (tmp_path / "masks").iterdir()}
    assert len(masks) == 1


def test_the_manifest_names_each_mask_and_its_hash(organized: Path, segmenter: Path, tmp_path: Path) -> None:
    for row in generate(organized, segmenter, tmp_path / "masks", trained_on_it=True):
        assert row.mask_path == f"predicted/{row.id}.png"
        assert row.mask_sha256 == sha256_file(tmp_path / "masks" / f"{row.id}.png")
        assert (row.label, row.split, row.path) == next(
            (one.label, one.split, one.path) for one in ROWS if one.id == row.id
        )


def test_no_training_image_is_segmented_by_a_model_trained_on_it(tmp_path: Path) -> None:
    folds = assign_folds(ROWS, 3, seed=0)
    (tmp_path / "folds.json").write_text(json.dumps(folds))
    chosen = models_of(ROWS, tmp_path, trained_on_it=True)
    assert sum(len(images) for images in chosen.values()) == len(ROWS)
    for model, images in chosen.items():
        fold = int(model.name) if model != tmp_path else None
        taught = {name for name, part in folds.items() if part != fold}  # the main one: all training images
        assert taught.isdisjoint(row.id for row in images)


def test_without_folds_the_main_model_segments_everything(tmp_path: Path) -> None:
    (tmp_path / "folds.json").write_text("{}")
    assert models_of(ROWS, tmp_path, trained_on_it=True) == {tmp_path: ROWS}


def test_folds_of_other_images_are_an_error(segmenter: Path) -> None:
    with pytest.raises(CytopipeError, match=r"segmenter: the image '06' is in no fold\n.*train the model again"):
        models_of(rows(["train"] * 7), segmenter, trained_on_it=True)


def test_the_number_of_processes_changes_no_byte(
    organized: Path, segmenter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "PATIENCE_S", 0)
    one = generate(organized, segmenter, tmp_path / "one", trained_on_it=True, count=1)
    three = generate(organized, segmenter, tmp_path / "three", trained_on_it=True, count=3)
    assert one == three
    assert hash_tree(tmp_path / "one") == hash_tree(tmp_path / "three")
