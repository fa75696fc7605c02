from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cytopipe.data.manifest import Row
from cytopipe.errors import CytopipeError
from cytopipe.evaluation.distribution import segmenter_details
from cytopipe.imaging.masks import read_mask
from cytopipe.metrics.registry import of_task
from cytopipe.models.folder import ModelSpec
from cytopipe.params import Segmenter, Training
from cytopipe.training import crossfit
from cytopipe.training.workspace import Workspace

Organized = tuple[Path, list[Row]]
Recipe = Callable[..., Training]


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(torch.device("cpu"), 0, tmp_path / "scratch", tmp_path / "checkpoints", lambda part, epoch: None)


def config(training: Training | None, cross_fit: int, architecture: str = "attention_unet") -> Segmenter:
    given = {"dataset": "d", "architecture": architecture, "training": training, "cross_fit": cross_fit}
    return Segmenter.model_validate(given)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_every_training_image_is_in_one_fold_with_its_whole_group(organized: Organized, count: int) -> None:
    seed = organized[1][0]
    rows = [
        replace(seed, id=f"{label}{number}", label=label, group=f"{label}{number // 3}", split=split)
        for label in "abc"
        for split, numbers in (("train", range(15)), ("val", range(15, 18)))
        for number in numbers
    ]
    folds = crossfit.assign_folds(rows, count, seed=0)
    assert set(folds) == {row.id for row in rows if row.split == "train"}
    assert set(folds.values()) == set(range(count))
    for group in {row.group for row in rows if row.split == "train"}:
        assert len({folds[row.id] for row in rows if row.group == group}) == 1


def test_classes_are_spread_over_the_folds(organized: Organized) -> None:
    _, rows = organized
    folds = crossfit.assign_folds(rows, 2, seed=0)
    for fold in (0, 1):
        assert sorted(row.label for row in rows if folds.get(row.id) == fold) == ["a", "a", "b", "b"]


def test_no_folds_are_asked_for_by_zero(organized: Organized) -> None:
    assert crossfit.assign_folds(organized[1], 0, seed=0) == {}


def test_too_few_groups_for_the_folds_are_an_error(organized: Organized) -> None:
    _, rows = organized
    with pytest.raises(CytopipeError, match="cross_fit: 4 groups cannot be divided over 5"):
        crossfit.assign_folds(rows, 5, seed=0)
    train = [row for row in rows if row.split == "train"]
    assert sorted(crossfit.assign_folds([train[0], train[2]], 2, seed=0).values()) == [0, 1]  # one group a class


def test_no_fold_is_taught_by_its_own_images(
    organized: Organized, place: Workspace, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, rows = organized
    taught: dict[str, list[str]] = {}

    def train(
        config: Segmenter, recipe: Training, folder: Path, rows: Sequence[Row], data_hash: str, place: Workspace
    ) -> tuple[nn.Module, None, list[dict[str, float]]]:
        taught[place.part] = [row.id for row in rows]
        assert place.scratch.is_dir() and place.scratch.name == (Path(place.part).name or "main")
        assert not place.checkpoints.exists()
        return nn.Identity(), None, [{"epoch": len(taught)}]

    monkeypatch.setattr(crossfit, "train_segmenter", train)
    trained = crossfit.train_with_folds(config(recipe(), 2), folder, rows, "0" * 64, place)
    assert list(trained.models) == list(taught) == ["", "folds/0", "folds/1"]
    assert taught[""] == [row.id for row in rows]
    for part in (0, 1):
        own = {name for name, fold in trained.folds.items() if fold == part}
        assert own and own.isdisjoint(taught[f"folds/{part}"])
        assert own | set(taught[f"folds/{part}"]) == {row.id for row in rows}
    assert trained.history == [{"epoch": 1}]  # the main one's


def test_otsu_is_set_up_without_training(organized: Organized, place: Workspace) -> None:
    folder, rows = organized
    trained = crossfit.train_with_folds(config(None, 0, "otsu"), folder, rows, "0" * 64, place)
    assert list(trained.models) == [""] and not trained.folds and not trained.history
    assert trained.models[""][1].architecture == "otsu"


def spec() -> ModelSpec:
    view: dict[str, Any] = {"kind": "whole", "input_size": 32, "scale": 1.0, "overlap": 0.5}
    return ModelSpec(
        task="segmentation",
        architecture="otsu",
        arguments={},
        classes=("cyt", "nuc"),
        channels="rgb",
        input_size=32,
        mean=(0, 0, 0),
        std=(1, 1, 1),
        training_data_sha256="0" * 64,
        extra={"view": view},
    )


class Threshold(nn.Module):
    """The discs' own greys: 240 outside, 140 in the cytoplasm, 40 in the nucleus."""

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        grey = images.mean(dim=1, keepdim=True) * 255
        return {"cyt": 200 - grey, "nuc": 90 - grey}


def test_the_test_measures_test_images_in_their_own_size(organized: Organized, place: Workspace) -> None:
    folder, rows = organized
    table = crossfit.test_segmenter((Threshold(), spec()), folder, rows, place)
    assert [one["id"] for one in table] == ["10", "11"]
    details = segmenter_details("d", table)
    assert details.images == 2 and details.groups == 1
    assert {name: one.value for name, one in details.metrics.items()} == {
        metric.key: 0 if metric.key.startswith("hd95") else 1 for metric in of_task("segmentation")
    }

    class Blind(Threshold):
        def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
            return {head: logits - 1000 for head, logits in super().forward(images).items()}

    details = segmenter_details("d", crossfit.test_segmenter((Blind(), spec()), folder, rows, place))
    assert details.metrics["dice_cell"].value == details.metrics["iou_nucleus"].value == 0
    assert details.metrics["hd95_cell"].value is None and details.undefined["hd95_cell"] == 2
    background = np.mean([(read_mask(folder / row.mask_path) == 0).mean() for row in rows if row.split == "test"])
    assert details.metrics["pixel_accuracy_cell"].value == pytest.approx(background)


def test_without_true_masks_there_is_nothing_to_measure(organized: Organized, place: Workspace) -> None:
    folder, rows = organized
    unmasked = [replace(row, mask_path="") for row in rows]
    assert crossfit.test_segmenter((Threshold(), spec()), folder, unmasked, place) == []
