"""Batches of augmented samples, in an order and with draws that depend on (seed, epoch, index) alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from cytopipe.augment import Augmenter

Batch = tuple[torch.Tensor, torch.Tensor]  # N x H x W x C uint8 items, N int64 indices


class ArrayDataset(Dataset[Batch]):
    """Items of a memory-mapped array, asked for as (epoch, index) pairs, a batch at a time."""

    def __init__(self, array: np.ndarray, augmenter: Augmenter) -> None:
        self.array, self.augmenter = array, augmenter

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, key: tuple[int, np.ndarray]) -> Batch:
        epoch, indices = key
        items = [self.augmenter(self.array[index], epoch, int(index)) for index in indices]
        return torch.from_numpy(np.stack(items)), torch.from_numpy(indices)


class EpochSampler:
    """Shuffled batches of each epoch. The last, smaller batch is kept unless it holds one image.

    A batch of one would break batch normalisation; a `batch_size` of one asks for it.
    """

    def __init__(self, count: int, batch_size: int, seed: int) -> None:
        self.count, self.batch_size, self.seed, self.epoch = count, batch_size, seed, 0

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.count)
        for start in range(0, self.count, self.batch_size):
            batch = order[start : start + self.batch_size]
            if len(batch) > 1 or 1 in (self.batch_size, self.count):
                yield self.epoch, batch

    def __len__(self) -> int:
        full, rest = divmod(self.count, self.batch_size)
        return full + (rest > 1 or rest == self.count)


class TrainingLoader:
    """Iterates over the batches of one epoch after another.

    Args:
        array: N x H x W x C uint8.
        augmenter: of the samples.
        batch_size: images a step.
        seed: of the order.
        num_workers: loader processes; 0 loads in this one. The result is the same.
    """

    def __init__(self, array: np.ndarray, augmenter: Augmenter, batch_size: int, seed: int, num_workers: int) -> None:
        self.sampler = EpochSampler(len(array), batch_size, seed)
        self._loader = DataLoader(
            ArrayDataset(array, augmenter),
            batch_size=None,  # the sampler yields whole batches
            sampler=self.sampler,
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            prefetch_factor=4 if num_workers else None,
            worker_init_fn=_single_thread,
            # Of its own: a loader draws a seed whenever its workers start, and drawn from the global generator it would
            # make dropout depend on the number of workers and on a resume.
            generator=torch.Generator(),
            pin_memory=torch.cuda.is_available(),
        )

    def __len__(self) -> int:
        return len(self.sampler)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of this epoch."""
        self.sampler.epoch = epoch
        return iter(self._loader)


def _single_thread(worker: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(0)


def class_weights(labels: Sequence[int], classes: int) -> torch.Tensor:
    """Weight of each class, inverse to its count, with mean 1 over the images ("balanced")."""
    counts = np.bincount(labels, minlength=classes).astype(np.float64)
    return torch.tensor(len(labels) / (classes * np.maximum(counts, 1)), dtype=torch.float32)
