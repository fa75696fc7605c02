"""A classifier to train on random images, for the benchmarks of the training loop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cytopipe.core.params import Classifier, Training
from cytopipe.data.tensors import ArrayWriter, open_array
from cytopipe.models.transforms import InputTransform
from cytopipe.results.model_spec import Precision
from cytopipe.training.classification import ClassificationTask, make_classifier
from cytopipe.training.data import Batch, Labelled, TrainingLoader
from cytopipe.training.feeding import Feeder, host_augmenter
from cytopipe.training.loop import train_epoch
from cytopipe.training.losses import Loss
from cytopipe.training.optim import make_optimizer
from cytopipe.training.tally import Tally

CLASSES = ("a", "b", "c", "d", "e")


@dataclass(frozen=True)
class Prepared:
    """A network in training."""

    task: ClassificationTask
    recipe: Training
    array: np.ndarray
    device: torch.device
    optimizer: torch.optim.Optimizer

    def loader(self, workers: int) -> TrainingLoader:
        """A loader of its images."""
        recipe = self.recipe
        return TrainingLoader(self.array, host_augmenter(recipe), recipe.batch_size, recipe.seed, workers)

    def train(self, batches: Iterator[Batch]) -> None:
        """Take a step with every batch."""
        precision: Precision = "bf16" if self.recipe.precision == "bf16" else "fp32"
        fed, tally = Feeder(self.recipe, self.device)(batches), Tally(1, self.device)
        train_epoch(self.task.model, self.task, fed, self.optimizer, self.recipe, precision, tally)


def prepare_classifier(
    config: Classifier, folder: Path, size: int, images: int, device: torch.device, compile: bool = False
) -> Prepared:
    """Set up a classifier and `images` random items of `size` pixels."""
    array = random_items(folder / f"{size}.npy", size, images)
    model, spec = make_classifier(config, CLASSES, size, "0" * 64)
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch lacks it
    labels, recipe = np.arange(images) % len(CLASSES), config.training
    transform = InputTransform(config.channels, spec.mean, spec.std, device)
    few = Labelled(array[:1], labels[:1])
    task = ClassificationTask(model, transform, labels, few, Loss(), recipe.batch_size, compile=compile)
    return Prepared(task, recipe, array, device, make_optimizer(model.parameters(), recipe))


def random_items(path: Path, size: int, count: int) -> np.ndarray:
    """A memory map of random items with two masks, count x size x size x 5 uint8."""
    rng = np.random.default_rng(0)
    with ArrayWriter(path, count, (size, size, 5)) as writer:
        for _ in range(count):
            item = rng.integers(0, 256, (size, size, 5), dtype=np.uint8)
            item[..., 3:] = item[..., 3:] // 128 * 255
            writer.append(item)
    return open_array(path)
