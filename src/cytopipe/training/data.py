"""Batches of augmented images; their order and all random draws depend only on (seed, epoch, index)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch

from cytopipe.data.tensors import Items

Augment = Callable[[Items, int, np.ndarray, int | None], np.ndarray]  # items, turn, indices, channels: as `Augmenter`


class Labelled(NamedTuple):
    """Images with their classes: N items of equal shape, and N class indices (int64)."""

    items: Items
    labels: np.ndarray


class Part(NamedTuple):
    """What one of several devices computes of a step; see `shared`.

    Attributes:
        before: leading items of the batch that are another device's; they are there to be mixed with, and not counted.
        own: images that count; with 0 the batch holds one that does not, so that every device takes every step.
        whole: images of the step on all devices together.
    """

    before: int
    own: int
    whole: int

    @property
    def share(self) -> float:
        """Share of the images of the step."""
        return self.own / self.whole


class Batch(NamedTuple):
    """Items of one training step.

    Attributes:
        items: N x H x W x C, as stored.
        indices: indices of the items in the training set, N int64.
        epoch, step: epoch and step in which the batch is used, from 0; they seed draws for the whole batch.
        turn: number of the pass over the data, from 0; with the index it seeds the draws for an item.
        part: what these items are of the step, where several devices share it; None: all of it.
    """

    items: torch.Tensor
    indices: torch.Tensor
    epoch: int = 0
    step: int = 0
    turn: int = 0
    part: Part | None = None

    @property
    def images(self) -> int:
        """Images of the step, on all devices together."""
        return self.part.whole if self.part else len(self.indices)


class Draw(NamedTuple):
    """A request for a batch: indices of the items, pass over the data, epoch, step, and a device's part of the step."""

    indices: np.ndarray
    turn: int
    epoch: int
    step: int
    part: Part | None = None


class EpochSampler:
    """Shuffled batches of each epoch; the last, smaller batch of a pass is dropped if it holds a single image.

    A single image would break batch normalisation; it is kept only if `batch_size` is one, or the data are one image.
    With `steps`, an epoch has that many batches; passes over the data continue across epochs, each in its own order.
    `few` is the number of images of a last batch up to which it is dropped.
    """

    def __init__(self, count: int, batch_size: int, seed: int, steps: int = 0, few: int = 1) -> None:
        self.count, self.batch_size, self.seed, self.steps, self.few = count, batch_size, seed, steps, few

    def epoch(self, epoch: int) -> Iterator[Draw]:
        """The batches of an epoch, counted from 0."""
        orders: dict[int, np.ndarray] = {}
        for step in range(len(self)):
            turn, position = divmod(epoch * len(self) + step, self._batches)
            if turn not in orders:
                orders = {turn: np.random.default_rng([self.seed, turn]).permutation(self.count)}
            start = position * self.batch_size
            yield Draw(orders[turn][start : start + self.batch_size], turn, epoch, step)

    def __len__(self) -> int:
        return self.steps or self._batches

    @property
    def _batches(self) -> int:
        """Number of batches in one pass over the data."""
        full, rest = divmod(self.count, self.batch_size)
        return full + (rest > self.few or rest == self.count)


class TrainingLoader:
    """Loads the training batches of each epoch.

    Threads, not processes: nearly all of the work is done by OpenCV, which lets other threads run meanwhile, and a
    thread starts at once, sends nothing and shares the memory of the images.

    Args:
        array: N items of any shape; uint8 images S x S x C unless the augmenter is idle.
        augmenter: augments each item.
        batch_size: images per step.
        seed: seed of the order.
        num_workers: number of threads that load ahead; 0 loads a batch when it is asked for. The batches are the same.
        steps: batches per epoch; 0 for one pass over the array.
        channels: number of leading channels of an image that the network needs, at least 3; None for all.
    """

    def __init__(
        self,
        array: Items,
        augmenter: Augment,
        batch_size: int,
        seed: int,
        num_workers: int,
        steps: int = 0,
        channels: int | None = None,
    ) -> None:
        # Items of a plain array are taken in a tenth of the time of those of a memory map; they stay on the disk.
        self.array = np.asarray(array) if isinstance(array, np.ndarray) else array
        self.augmenter, self.num_workers, self.channels = augmenter, num_workers, channels
        self.sampler = EpochSampler(len(array), batch_size, seed, steps)

    def __len__(self) -> int:
        return len(self.sampler)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch, counted from 0."""
        draws = self._draws(epoch)
        return _ahead(self._load, draws, self.num_workers) if self.num_workers else map(self._load, draws)

    def _draws(self, epoch: int) -> Iterator[Draw]:
        return self.sampler.epoch(epoch)

    def _load(self, draw: Draw) -> Batch:
        items = torch.from_numpy(self.augmenter(self.array, draw.turn, draw.indices, self.channels))
        if torch.cuda.is_available():
            items = items.pin_memory()  # for copies that the GPU does not wait for
        return Batch(items, torch.from_numpy(draw.indices), draw.epoch, draw.step, draw.turn, draw.part)


def _ahead(load: Callable[[Draw], Batch], draws: Iterable[Draw], threads: int) -> Iterator[Batch]:
    """Batches in order, each loaded by one of the threads before it is asked for."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="loader")
    waiting: deque[Future[Batch]] = deque()
    try:
        for draw in draws:
            waiting.append(pool.submit(load, draw))
            if len(waiting) > threads + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:  # also when the epoch is abandoned
        pool.shutdown(cancel_futures=True)


def class_weights(labels: Sequence[int], classes: int) -> torch.Tensor:
    """Class weights, float32, inversely proportional to the counts and with mean 1 over the images ("balanced")."""
    counts = np.bincount(labels, minlength=classes).astype(np.float64)
    return torch.tensor(len(labels) / (classes * np.maximum(counts, 1)), dtype=torch.float32)
