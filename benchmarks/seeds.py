"""Training speed beside the way of the published systems, with the same network, batch size and threads.

Theirs: torchvision's ImageFolder of PNG files, transforms of PIL images, fp32, channels first, and a plain loop.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from torch import nn
from torch.nn import functional as F

from cytopipe.core.params import Training
from cytopipe.data.augment import Augmenter
from cytopipe.models.transforms import InputTransform
from cytopipe.training.classification import ClassificationTask
from cytopipe.training.data import Labelled, TrainingLoader
from cytopipe.training.loop import fit
from cytopipe.training.losses import Loss
from loading import AUGMENT, CLASSES, MEAN, STD, image_folder, write_images
from stand_ins import NoCheckpoint

NETWORKS = {"resnet18": 192, "test_resnet": 640}  # of timm; number of images
SIZE, BATCH = 64, 32
RECIPE = Training.model_validate(
    {"epochs": 1, "batch_size": BATCH, "learning_rate": 0.001, "weight_decay": 0.01, "augment": AUGMENT}
)
THEIR_WORKERS = (0, 2)  # loader processes; the faster counts


def measure(folder: Path, rounds: int, device: torch.device, workers: int) -> dict[str, Any]:
    """Images per second of cytopipe's training over those of the published systems' way."""
    return {
        name: _compare(name, folder / f"seeds-{name}", count, rounds, device, workers)
        for name, count in NETWORKS.items()
    }


def _compare(name: str, folder: Path, count: int, rounds: int, device: torch.device, workers: int) -> dict[str, float]:
    items = write_images(folder, SIZE, count)
    ours = _Ours(_network(name, device), items, device, workers)
    theirs = _network(name, device)
    loaders = [image_folder(folder, BATCH, number) for number in THEIR_WORKERS]
    seconds: list[list[float]] = []
    for number in range(rounds + 1):
        row = [ours.seconds(), *(_their_seconds(theirs, loader, device) for loader in loaders)]
        seconds += [row] if number else []  # the first warms up, and starts the processes
    one, *others = (statistics.median(side) for side in zip(*seconds, strict=True))
    return {
        "ratio": round(min(others) / one, 2),
        "cytopipe": round(count / one),
        "published": round(count / min(others)),
        "their_workers": THEIR_WORKERS[others.index(min(others))],
    }


def _network(name: str, device: torch.device) -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = timm.create_model(name, num_classes=len(CLASSES)).to(device)
    return model


class _Ours:
    """Training as cytopipe does it."""

    def __init__(self, model: nn.Module, items: np.ndarray, device: torch.device, workers: int) -> None:
        labels = np.arange(len(items)) % len(CLASSES)
        self.model, self.device = model.to(memory_format=torch.channels_last), device
        transform = InputTransform("rgb", MEAN, STD, device)
        self.task = ClassificationTask(self.model, transform, labels, Labelled(items, labels), Loss(), BATCH)
        self.task.validate = lambda: {"loss": 0.0, "accuracy": 0.0}  # type: ignore[method-assign]
        self.loader = TrainingLoader(items, Augmenter(RECIPE.augment, 0), BATCH, 0, workers, channels=3)

    def seconds(self) -> float:
        """Wall time of an epoch."""
        start = time.perf_counter()
        recipe = RECIPE.model_copy(update={"precision": "fp32", "warmup_epochs": 0})
        fit(self.model, self.task, self.loader, recipe, self.device, NoCheckpoint(), lambda _: None)  # type: ignore[arg-type]
        return time.perf_counter() - start


def _their_seconds(model: nn.Module, loader: Any, device: torch.device) -> float:
    """Wall time of an epoch of a plain loop."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=RECIPE.learning_rate, weight_decay=RECIPE.weight_decay)
    start = time.perf_counter()
    model.train()
    total = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images.to(device)), labels.to(device))
        loss.backward()
        optimizer.step()
        total += loss.item()
    return time.perf_counter() - start
