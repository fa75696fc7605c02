"""A classifier on two ranks learns what one process with twice the batch does, and a rank that fails says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cytopipe.core.params import Training
from cytopipe.data.augment import Augmenter
from cytopipe.errors import CytopipeError
from cytopipe.models.heads import build_classifier
from cytopipe.models.transforms import InputTransform
from cytopipe.training.classification import ClassificationTask
from cytopipe.training.data import Labelled, TrainingLoader
from cytopipe.training.loop import Epoch
from cytopipe.training.losses import make_loss
from cytopipe.training.mixing import Mixer
from cytopipe.training.several import train
from cytopipe.training.workspace import Workspace
from fixture_types import Recipe

CPU = torch.device("cpu")
CLASSES = 3


@pytest.fixture
def images(tmp_path: Path) -> Labelled:
    """19 images on the disk, so that the last step of an epoch is a part of a batch."""
    file = tmp_path / "train.npy"
    np.save(file, np.random.default_rng(0).integers(0, 256, (19, 32, 32, 5), dtype=np.uint8))
    return Labelled(np.load(file, mmap_mode="r"), np.arange(19) % CLASSES)


def place(folder: Path, devices: int) -> tuple[Workspace, list[Epoch]]:
    told: list[Epoch] = []
    folder.mkdir()

    def tell(part: str, measures: Epoch) -> None:
        told.append(measures)

    return Workspace(CPU, 0, folder, folder / "checkpoint", tell, devices=devices), told


def learnt(images: Labelled, recipe: Training, where: Workspace) -> tuple[list[Epoch], dict[str, torch.Tensor]]:
    """History and weights of a classifier without batch normalisation and dropout."""
    torch.manual_seed(0)
    arguments = {"num_classes": CLASSES, "in_channels": 3}
    model = build_classifier("timm/test_convnext2", arguments).to(memory_format=torch.channels_last)
    task = ClassificationTask(
        model,
        InputTransform("rgb", (0.5,) * 3, (0.25,) * 3, CPU),
        images.labels,
        images,
        make_loss(recipe, images.labels, CLASSES, CPU),
        recipe.batch_size,
        mixer=Mixer(recipe.augment, recipe.seed, CLASSES),
    )
    augmenter = Augmenter(recipe.augment, recipe.seed)
    loader = TrainingLoader(images.items, augmenter, recipe.batch_size, recipe.seed, 0, channels=3)
    history, precision = train(model, task, loader, recipe, where)
    assert precision == "fp32" and not model.training
    return history, model.state_dict()


def test_two_ranks_learn_what_one_process_with_twice_the_batch_does(
    images: Labelled, recipe: Recipe, tmp_path: Path
) -> None:
    changes = {"flips": True, "brightness": 0.2, "mixup": 0.4, "cutmix": 1.0, "mosaic": 0.3}
    common = {"epochs": 2, "optimizer": "sgd", "class_weights": "balanced", "label_smoothing": 0.1, "augment": changes}
    common |= {"ema": {"decay": 0.9}, "gradient_clip": 1.0}
    one, _ = place(tmp_path / "one", 1)
    two, told = place(tmp_path / "two", 2)
    alone, weights = learnt(images, recipe(batch_size=8, **common), one)
    together, shared = learnt(images, recipe(batch_size=4, **common), two)
    for first, second in zip(alone, together, strict=True):
        assert second == pytest.approx(first, abs=1e-5)
    assert all(torch.allclose(shared[name], weights[name], atol=1e-5) for name in weights)
    assert [measures["epoch"] for measures in told] == [1, 2]
    assert [file.name for file in (tmp_path / "two/checkpoint").iterdir()] == ["last.pt"]
    assert one.several == {} and two.several == {"devices": 2}


def test_a_rank_that_fails_says_which_and_why(images: Labelled, recipe: Recipe, tmp_path: Path) -> None:
    where, _ = place(tmp_path / "two", 2)
    nothing: Any = None
    loader = TrainingLoader(images.items, nothing, 4, 0, 0)
    with pytest.raises(CytopipeError, match=r"rank [01] of 2: AttributeError: 'NoneType' object has no attribute"):
        train(torch.nn.Linear(1, 1), nothing, loader, recipe(), where)
