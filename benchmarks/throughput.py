"""Speed of the data path: training over a resident batch, and cytopipe over the way of the published systems.

`networks` compares training with real data loading with the same steps on one batch in memory, for every network that
the parameters train on images and for ConvNeXt-tiny at 224 px. `loading` and `seeds` are described in their modules.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

import loading
import seeds
from cytopipe.core.params import Classifier, Params, Segmenter, Training
from cytopipe.data.augment import Augmenter
from cytopipe.data.tensors import ArrayWriter, open_array
from cytopipe.models.determinism import prepare
from cytopipe.models.transforms import InputTransform
from cytopipe.training.classification import ClassificationTask, make_classifier
from cytopipe.training.data import Labelled, TrainingLoader
from cytopipe.training.loop import fit
from cytopipe.training.losses import Loss
from cytopipe.training.segmentation import SegmentationTask, make_segmenter
from stand_ins import NoCheckpoint, Resident

IMAGES = 256
EPOCH_S = 1.5  # rough length of a measured epoch, seconds
NO_HASH = "0" * 64
CONVNEXT_TINY = Classifier.model_validate(
    {
        "dataset": "none",
        "architecture": "timm/convnext_tiny",
        "pretrained": "workflow/weights/none",
        "channels": "rgb",
        "training": {
            "epochs": 1,
            "batch_size": 8,
            "learning_rate": 0.001,
            "weight_decay": 0.05,
            "augment": loading.AUGMENT,
        },
    }
)


class Prepared(NamedTuple):
    """A network with what its training needs.

    Attributes:
        task: loss of the network.
        recipe: parameters of the training.
        array: N x S x S x C uint8 items.
        channels: number of leading channels that the network needs; None for all.
    """

    task: Any
    recipe: Training
    array: np.ndarray
    channels: int | None = None


def measure(params: Params, folder: Path, rounds: int, workers: int | None = None) -> dict[str, Any]:
    """All measurements, each alternating between its sides.

    Args:
        params: parameters with the networks and the runtime.
        folder: folder for images and memory-mapped arrays.
        rounds: number of alternations.
        workers: number of loader threads; None takes that of a training with these parameters.
    """
    device = prepare(params.runtime)
    count = 1 if workers is None else workers
    networks = {
        name: compare(make(folder / name, device), device, rounds, count) for name, make in _networks(params).items()
    }
    return {
        "threads": params.runtime.num_threads,
        "workers": count,
        "rounds": rounds,
        "networks": networks,
        "loading": loading.measure(folder, rounds),
        "seeds": seeds.measure(folder, rounds, device, count),
    }


def _networks(params: Params) -> dict[str, Callable[[Path, torch.device], Prepared]]:
    """How to prepare each network; a frozen one is left out, because its head is trained on stored features."""
    found: dict[str, Callable[[Path, torch.device], Prepared]] = {}
    for name, segmenter in params.segmenters.items():
        if segmenter.training:
            found[name] = partial(_segmenter, segmenter)
    for name, classifier in params.classifiers.items():
        if not classifier.architecture.endswith("_frozen"):
            found[name] = partial(_classifier, classifier, params.datasets[classifier.dataset].image_size)
    return {**found, "convnext-tiny-224": partial(_classifier, CONVNEXT_TINY, 224)}


def _classifier(config: Classifier, size: int, folder: Path, device: torch.device) -> Prepared:
    array = _array(folder, size, 5, (0, 255))
    classes = ("a", "b")
    model, spec = make_classifier(config, classes, size, NO_HASH)
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch lacks it
    labels = np.arange(IMAGES) % len(classes)
    transform = InputTransform(config.channels, spec.mean, spec.std, device)
    loss = Loss(config.training.loss)
    recipe = config.training
    task = ClassificationTask(model, transform, labels, Labelled(array, labels), loss, recipe.batch_size)
    return Prepared(task, recipe, array, transform.needed)


def _segmenter(config: Segmenter, folder: Path, device: torch.device) -> Prepared:
    array = _array(folder, config.input_size, 4, (0, 1, 2))
    model, spec = make_segmenter(config, NO_HASH)
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch lacks it
    assert config.training is not None
    transform = InputTransform("rgb", spec.mean, spec.std, device)
    return Prepared(SegmentationTask(model, transform, array, 32), config.training, array)


def _array(folder: Path, size: int, channels: int, values: tuple[int, ...]) -> np.ndarray:
    """A memory map of random items; the channels from the fourth on contain only `values`."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    with ArrayWriter(folder / "items.npy", IMAGES, (size, size, channels)) as writer:
        for _ in range(IMAGES):
            item = rng.integers(0, 256, (size, size, channels), dtype=np.uint8)
            item[..., 3:] = rng.choice(values, (size, size, channels - 3))
            writer.append(item)
    return open_array(folder / "items.npy")


def compare(prepared: Prepared, device: torch.device, rounds: int, workers: int) -> dict[str, float]:
    """The speed of training with real data loading, as a share of that on a resident batch."""
    task, recipe, array, channels = prepared
    task.validate = lambda: {"loss": 0.0, "accuracy": 0.0, "dice": 0.0}
    one_epoch = recipe.model_copy(update={"epochs": 1, "warmup_epochs": 0, "precision": "fp32"})

    def seconds(loader: Any) -> float:
        start = time.perf_counter()
        fit(task.model, task, loader, one_epoch, device, NoCheckpoint(), _ignore)  # type: ignore[arg-type]  # stand-ins
        return time.perf_counter() - start

    def real(steps: int) -> TrainingLoader:
        augmenter = Augmenter(recipe.augment, recipe.seed)
        return TrainingLoader(array, augmenter, recipe.batch_size, recipe.seed, workers, steps, channels)

    batch = next(iter(real(1).epoch(0)))
    seconds(Resident(batch, 2))  # warms up
    steps = max(4, round(EPOCH_S / seconds(Resident(batch, 2)) * 2))
    sides: list[Any] = [real(steps), Resident(batch, steps)]
    found = [[seconds(side) for side in sides] for _ in range(rounds)]
    ratios = [resident / loaded for loaded, resident in found]
    return {
        "ratio": round(statistics.median(ratios), 3),
        "low": round(min(ratios), 3),
        "high": round(max(ratios), 3),
        "images_per_second": round(steps * recipe.batch_size / statistics.median(loaded for loaded, _ in found)),
    }


def _ignore(measures: dict[str, float]) -> None:
    """Ignore the metrics of an epoch."""
