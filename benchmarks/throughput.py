"""Speed of training with real data loading against the same steps on one batch in memory: the cost of the loading."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cytopipe.core.params import Classifier, Params, Segmenter, Training
from cytopipe.data.tensors import ArrayWriter, open_array
from cytopipe.models.determinism import prepare
from cytopipe.models.transforms import InputTransform
from cytopipe.training.classification import ClassificationTask, make_classifier
from cytopipe.training.data import Batch, Labelled, TrainingLoader
from cytopipe.training.loop import fit
from cytopipe.training.losses import Loss
from cytopipe.training.segmentation import SegmentationTask, make_segmenter

IMAGES = 640
CLASSES = ("a", "b", "c", "d", "e")
NO_HASH = "0" * 64


class Resident:
    """A loader that repeats a single batch."""

    def __init__(self, batch: Batch, steps: int) -> None:
        self.batch, self.steps = batch, steps

    def __len__(self) -> int:
        return self.steps

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The same batch for every step."""
        return iter([self.batch] * self.steps)


class NoCheckpoint:
    """A checkpoint that is not saved; it would cost both sides the same."""

    def load(self) -> None:
        """Nothing to continue from."""

    def save(self, state: dict[str, Any]) -> None:
        """Forget the state."""


def measure(params: Params, folder: Path, rounds: int, workers: int | None = None) -> dict[str, Any]:
    """Median ratio of the time per epoch, resident over real, for the first classifier and the first segmenter.

    Args:
        params: parameters with the networks and the runtime.
        folder: folder for the memory-mapped arrays.
        rounds: number of alternating epochs.
        workers: number of loader processes; None takes that of the parameters.
    """
    device = prepare(params.runtime)
    setting = params.runtime.num_workers
    count = (1 if setting == "auto" else setting) if workers is None else workers
    results: dict[str, Any] = {"threads": params.runtime.num_threads, "workers": count, "rounds": rounds}
    for name, classifier in list(params.classifiers.items())[:1]:
        prepared = _classifier(classifier, folder, device)
        results["classifier"] = {"name": name, **_compare(*prepared, device, rounds, count)}
    for name, segmenter in [(name, one) for name, one in params.segmenters.items() if one.training][:1]:
        prepared = _segmenter(segmenter, folder, device)
        results["segmenter"] = {"name": name, **_compare(*prepared, device, rounds, count)}
    return results


def _classifier(config: Classifier, folder: Path, device: torch.device) -> tuple[Any, Training, np.ndarray]:
    array = _array(folder / "classifier.npy", 64, 5, (0, 255))
    model, spec = make_classifier(config, CLASSES, 64, NO_HASH)
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch lacks it
    labels = np.arange(IMAGES) % len(CLASSES)
    transform = InputTransform(config.channels, spec.mean, spec.std, device)
    recipe = config.training
    task = ClassificationTask(model, transform, labels, Labelled(array, labels), Loss(), recipe.batch_size)
    return task, recipe, array


def _segmenter(config: Segmenter, folder: Path, device: torch.device) -> tuple[Any, Training, np.ndarray]:
    array = _array(folder / "segmenter.npy", config.input_size, 4, (0, 1, 2))
    model, spec = make_segmenter(config, NO_HASH)
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch lacks it
    assert config.training is not None
    recipe = config.training
    return SegmentationTask(model, InputTransform("rgb", spec.mean, spec.std, device), array, 32), recipe, array


def _array(path: Path, size: int, channels: int, values: tuple[int, ...]) -> np.ndarray:
    """A memory map of random items; the channels from the fourth on contain only `values`."""
    rng = np.random.default_rng(0)
    with ArrayWriter(path, IMAGES, (size, size, channels)) as writer:
        for _ in range(IMAGES):
            item = rng.integers(0, 256, (size, size, channels), dtype=np.uint8)
            item[..., 3:] = rng.choice(values, (size, size, channels - 3))
            writer.append(item)
    return open_array(path)


def _compare(
    task: Any, recipe: Training, array: np.ndarray, device: torch.device, rounds: int, workers: int
) -> dict[str, Any]:
    from cytopipe.data.augment import Augmenter

    one_epoch = recipe.model_copy(update={"epochs": 1, "warmup_epochs": 0, "precision": "fp32"})
    task.validate = lambda: {"loss": 0.0, "accuracy": 0.0, "dice": 0.0}
    real = TrainingLoader(array, Augmenter(recipe.augment, recipe.seed), recipe.batch_size, recipe.seed, workers)
    resident = Resident(next(iter(real.epoch(0))), len(real))
    seconds: dict[str, list[float]] = {"real": [], "resident": []}
    for turn in range(rounds + 1):
        for side, loader in (("real", real), ("resident", resident)):
            start = time.perf_counter()
            fit(task.model, task, loader, one_epoch, device, NoCheckpoint(), _ignore)  # type: ignore[arg-type]  # stand-ins
            if turn:  # the first warms up
                seconds[side].append(time.perf_counter() - start)
    ratios = [b / a for a, b in zip(seconds["real"], seconds["resident"], strict=True)]
    return {
        "ratio": round(statistics.median(ratios), 3),
        "low": round(min(ratios), 3),
        "high": round(max(ratios), 3),
        "images_per_second": round(IMAGES / statistics.median(seconds["real"])),
    }


def _ignore(measures: dict[str, float]) -> None:
    """Ignore the metrics of an epoch."""
