"""Images per second and core of cytopipe's loader and of torchvision's ImageFolder, with the same augmentations.

Both go from what is stored (a tensor of uint8, PNG files) to normalised float batches, in one process on one thread.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader
from torchvision import transforms as T
from torchvision.datasets import ImageFolder

from cytopipe.core.params import Augmentation
from cytopipe.data.augment import Augmenter
from cytopipe.models.transforms import InputTransform
from cytopipe.training.data import TrainingLoader

SIZES = (64, 128, 224)
IMAGES, BATCH = 64, 32
AUGMENT: dict[str, Any] = {
    "flips": "mirror",
    "rotation": 20,
    "zoom": 0.1,
    "brightness": 0.15,
    "contrast": 0.15,
    "saturation": 0.1,
    "hue": 0.02,
}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLASSES = ("a", "b", "c", "d", "e")


def measure(folder: Path, rounds: int) -> dict[str, Any]:
    """Images per second of processor time at each size, and the ratio of cytopipe to torchvision."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {f"{size}px": _compare(folder / f"loading-{size}", size, rounds) for size in SIZES}
    finally:
        torch.set_num_threads(threads)


def _compare(folder: Path, size: int, rounds: int) -> dict[str, float]:
    items = write_images(folder, size, IMAGES)
    ours = TrainingLoader(
        items, Augmenter(Augmentation.model_validate(AUGMENT), 0), BATCH, 0, num_workers=0, channels=3
    )
    transform = InputTransform("rgb", MEAN, STD)
    theirs = image_folder(folder, BATCH, workers=0)
    seconds: list[tuple[float, float]] = []
    for number in range(rounds + 1):
        pair = (_seconds(transform(batch.items) for batch in ours.epoch(number)), _seconds(theirs))
        seconds += [pair] if number else []  # the first warms up
    one, other = (IMAGES / statistics.median(side) for side in zip(*seconds, strict=True))
    return {
        "ratio": round(statistics.median(b / a for a, b in seconds), 2),
        "cytopipe": round(one),
        "torchvision": round(other),
    }


def _seconds(batches: Iterable[Any]) -> float:
    """Processor time of an epoch: unlike wall time, other work on the machine hardly changes it."""
    start = time.process_time()
    for _ in batches:
        pass
    return time.process_time() - start


def write_images(folder: Path, size: int, count: int) -> np.ndarray:
    """Write images as PNG files in one folder per class, and return them as N x S x S x 5 uint8 with two masks."""
    rng = np.random.default_rng(0)
    items = np.zeros((count, size, size, 5), np.uint8)
    for number, item in enumerate(items):
        coarse = rng.integers(0, 256, (size // 8, size // 8, 3), dtype=np.uint8)
        item[..., :3] = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
        item[..., 3:] = 255 * (item[..., :1] > 127)
        place = folder / CLASSES[number % len(CLASSES)]
        place.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place / f"{number}.png"), item[..., 2::-1])
    return items


def image_folder(folder: Path, batch_size: int, workers: int) -> DataLoader[Any]:
    """A loader as the published systems have it: PNG files, PIL images, float tensors."""
    transform = T.Compose(
        [
            T.RandomHorizontalFlip(),
            T.RandomVerticalFlip(),
            T.RandomAffine(AUGMENT["rotation"], scale=(0.9, 1.1), interpolation=T.InterpolationMode.BILINEAR),
            T.ColorJitter(*(AUGMENT[name] for name in ("brightness", "contrast", "saturation", "hue"))),
            T.ToTensor(),
            T.Normalize(MEAN, STD),
        ]
    )
    return DataLoader(
        ImageFolder(folder, transform),
        batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
