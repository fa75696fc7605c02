from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cytopipe.core.params import Segmenter, Training, View
from cytopipe.data.manifest import Row
from cytopipe.errors import CytopipeError
from cytopipe.training import train_segmenter
from cytopipe.training.segmentation import make_segmenter
from cytopipe.training.train_segmenter import SegmenterJob, fit_segmenter
from cytopipe.training.trained import Trained
from cytopipe.training.workspace import Workspace
from fixture_types import Recipe

Organized = tuple[Path, list[Row]]


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(torch.device("cpu"), 0, tmp_path / "scratch", tmp_path / "checkpoints", lambda part, epoch: None)


def config(training: Training | None, cross_fit: int, architecture: str = "attention_unet") -> Segmenter:
    arguments = {"encoder": "test_convnext", "decoder_widths": [8, 8, 8]} if architecture == "attention_unet" else {}
    given = {"dataset": "d", "architecture": architecture, "arguments": arguments, "input_size": 32}
    return Segmenter.model_validate({**given, "training": training, "cross_fit": cross_fit})


def test_no_training_image_is_segmented_by_a_model_trained_on_it(
    organized: Organized, place: Workspace, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, rows = organized
    taught: dict[str, list[str]] = {}

    def fit(job: SegmenterJob, recipe: Training, rows: Sequence[Row], part: str) -> Trained:
        taught[part] = [row.id for row in rows]
        _, spec = make_segmenter(job.config, job.data_hash)
        return Trained(nn.Identity(), spec, [{"epoch": len(taught)}])

    monkeypatch.setattr(train_segmenter, "fit_segmenter", fit)
    trained = train_segmenter.train_segmenter(SegmenterJob(config(recipe(), 2), folder, "0" * 64, place), rows)
    assert list(trained.networks) == list(taught) == ["", "folds/0", "folds/1"]
    assert taught[""] == [row.id for row in rows]
    for part in (0, 1):
        own = {name for name, fold in trained.folds.items() if fold == part}
        assert own and own.isdisjoint(taught[f"folds/{part}"])
        assert own | set(taught[f"folds/{part}"]) == {row.id for row in rows}
    assert trained.main.history == [{"epoch": 1}]


def test_otsu_is_set_up_without_training(organized: Organized, place: Workspace) -> None:
    folder, rows = organized
    asked = config(None, 0, "otsu")
    trained = train_segmenter.train_segmenter(SegmenterJob(asked, folder, "0" * 64, place), rows)
    assert list(trained.networks) == [""] and not trained.folds and not trained.main.history
    assert trained.main.spec.architecture == "otsu"


def test_a_segmenter_finds_dark_discs_and_its_folder_contains_the_view(
    organized: Organized, place: Workspace, recipe: Recipe
) -> None:
    folder, rows = organized
    asked = recipe(epochs=12, augment={"flips": True})
    job = SegmenterJob(config(asked, 0), folder, "2" * 64, place)
    found = fit_segmenter(job, asked, rows, "folds/0")
    assert (place.scratch / "folds/0/train.npy").is_file() and (place.checkpoints / "folds/0").is_dir()
    best = [epoch["val_dice"] for epoch in found.history if epoch["best"]]
    assert best == [max(epoch["val_dice"] for epoch in found.history)] and best[0] > 0.8
    assert found.spec.view == View(view="whole", input_size=32) and found.spec.precision == "fp32"
    assert found.spec.typical_sizes is not None and found.spec.typical_sizes.image_side == 32
    assert found.spec.classes == ("cyt", "nuc") and found.spec.training_data_sha256 == "2" * 64


def without_masks(rows: list[Row], *names: str) -> list[Row]:
    return [replace(row, mask_path="", mask_sha256="") if row.id in names else row for row in rows]


def test_images_without_a_mask_are_not_trained_on(organized: Organized, place: Workspace, recipe: Recipe) -> None:
    folder, rows = organized
    asked = recipe(epochs=1)
    job = SegmenterJob(config(asked, 0), folder, "2" * 64, place)
    fit_segmenter(job, asked, without_masks(rows, "00", "03", "08", "11"), "folds/0")
    assert len(np.load(place.scratch / "folds/0/train.npy", mmap_mode="r")) == 6
    assert len(np.load(place.scratch / "folds/0/val.npy", mmap_mode="r")) == 1


@pytest.mark.parametrize(
    ("missing", "split"),
    [((f"{index:02}" for index in range(8)), "train"), (("08", "09"), "val"), (("10", "11"), "test")],
)
def test_every_split_needs_a_mask(
    missing: Iterable[str], split: str, organized: Organized, place: Workspace, recipe: Recipe
) -> None:
    folder, rows = organized
    job = SegmenterJob(config(recipe(), 0), folder, "2" * 64, place)
    with pytest.raises(
        CytopipeError, match=rf"datasets\.d: none of the \d images of the split '{split}' has a true mask"
    ):
        train_segmenter.train_segmenter(job, without_masks(rows, *missing))


def test_otsu_needs_no_mask(organized: Organized, place: Workspace) -> None:
    folder, rows = organized
    bare = without_masks(rows, *[row.id for row in rows])
    assert train_segmenter.train_segmenter(
        SegmenterJob(config(None, 0, "otsu"), folder, "0" * 64, place), bare
    ).networks
