"""Batches of augmented images; their order and all random draws depend only on (seed, epoch, index)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from cytopipe.data.augment import Augmenter
from cytopipe.data.tensors import Items


class Labelled(NamedTuple):
    """Images with their classes: N items of equal shape, and N class indices (int64)."""

    items: Items
    labels: np.ndarray


class Batch(NamedTuple):
    """Items of one training step.

    Attributes:
        items: N x H x W x C, as stored.
        indices: indices of the items in the training set, N int64.
        epoch, step: epoch and step in which the batch is used, from 0; they seed draws for the whole batch.
        turn: number of the pass over the data, from 0; with the index it seeds the draws for an item.
    """

    items: torch.Tensor
    indices: torch.Tensor
    epoch: int = 0
    step: int = 0
    turn: int = 0


class Draw(NamedTuple):
    """A request for a batch: indices of the items, number of the pass over the data, epoch and step."""

    indices: np.ndarray
    turn: int
    epoch: int
    step: int


class ArrayDataset(Dataset[Batch]):
    """Augmented items of a memory-mapped array, by batch."""

    def __init__(self, array: Items, augmenter: Augmenter) -> None:
        self.array, self.augmenter = array, augmenter

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, draw: Draw) -> Batch:
        items = torch.from_numpy(self.augmenter(self.array, draw.turn, draw.indices))
        return Batch(items, torch.from_numpy(draw.indices), draw.epoch, draw.step, draw.turn)


class EpochSampler:
    """Shuffled batches of each epoch; the last, smaller batch of a pass is dropped if it holds a single image.

    A single image would break batch normalisation; it is kept only if `batch_size` is one, or the data are one image.
    With `steps`, an epoch has that many batches; passes over the data continue across epochs, each in its own order.
    """

    def __init__(self, count: int, batch_size: int, seed: int, steps: int = 0) -> None:
        self.count, self.batch_size, self.seed, self.steps, self.epoch = count, batch_size, seed, steps, 0

    def __iter__(self) -> Iterator[Draw]:
        orders: dict[int, np.ndarray] = {}
        for step in range(len(self)):
            turn, position = divmod(self.epoch * len(self) + step, self._batches)
            if turn not in orders:
                orders = {turn: np.random.default_rng([self.seed, turn]).permutation(self.count)}
            start = position * self.batch_size
            yield Draw(orders[turn][start : start + self.batch_size], turn, self.epoch, step)

    def __len__(self) -> int:
        return self.steps or self._batches

    @property
    def _batches(self) -> int:
        """Number of batches in one pass over the data."""
        full, rest = divmod(self.count, self.batch_size)
        return full + (rest > 1 or rest == self.count)


class TrainingLoader:
    """Loads the training batches of each epoch.

    Args:
        array: N items of any shape; uint8 images H x W x C unless the augmenter is idle.
        augmenter: augments each item.
        batch_size: images per step.
        seed: seed of the order.
        num_workers: number of loader processes; 0 loads in this process. The batches are the same.
        steps: batches per epoch; 0 for one pass over the array.
    """

    def __init__(
        self, array: Items, augmenter: Augmenter, batch_size: int, seed: int, num_workers: int, steps: int = 0
    ) -> None:
        self.sampler = EpochSampler(len(array), batch_size, seed, steps)
        self._loader = DataLoader(
            ArrayDataset(array, augmenter),
            batch_size=None,  # the sampler yields whole batches
            sampler=self.sampler,
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            prefetch_factor=4 if num_workers else None,
            worker_init_fn=_single_thread,
            # Its own generator, because the loader draws a seed whenever its workers start. From the global generator,
            # that would make dropout depend on the number of workers and on resumes.
            generator=torch.Generator(),
            pin_memory=torch.cuda.is_available(),
        )

    def __len__(self) -> int:
        return len(self.sampler)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch, counted from 0."""
        self.sampler.epoch = epoch
        return iter(self._loader)


def _single_thread(worker: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(0)


def class_weights(labels: Sequence[int], classes: int) -> torch.Tensor:
    """Class weights, float32, inversely proportional to the counts and with mean 1 over the images ("balanced")."""
    counts = np.bincount(labels, minlength=classes).astype(np.float64)
    return torch.tensor(len(labels) / (classes * np.maximum(counts, 1)), dtype=torch.float32)
