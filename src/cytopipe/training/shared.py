"""A training as one of several ranks sees it: its part of every step, and rank 0's word on everything else.

Each step is that of one process with as many times the batch: its images are divided in order, random changes of an
image depend on its index, and the parts of the loss add up to the loss of all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch

from cytopipe.models.determinism import seed_epoch
from cytopipe.training.checkpoint import Checkpoint
from cytopipe.training.data import Batch, Draw, EpochSampler, Part, TrainingLoader
from cytopipe.training.loop import Task
from cytopipe.training.ranks import Ranks

STREAM = 2**33  # numbers of epochs of rank r begin at r times this, so that each draws other numbers (dropout)


class Shareable(Task, Protocol):
    """A task whose steps several devices can share."""

    @property
    def reach(self) -> int:
        """Images before an image in a batch that it may be mixed with."""

    def join(self, ranks: Ranks) -> None:
        """From now on, a step is a part of one that several devices share, and its measures are parts of sums."""


class SharedTask:
    """A task whose steps and measures are those of all ranks together; only rank 0 validates.

    Args:
        task: the task of this rank, which joins the others.
        ranks: the ranks.
    """

    def __init__(self, task: Shareable, ranks: Ranks) -> None:
        task.join(ranks)
        self.task, self.ranks = task, ranks

    def step(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Loss and measures of the whole step, with the gradient of this rank's part."""
        return self.ranks.total(*self.task.step(batch))

    def validate(self) -> dict[str, float]:
        """Measures on the validation images, by rank 0."""
        return self.ranks.broadcast(self.task.validate() if self.ranks.rank == 0 else {})

    def rank(self, measures: dict[str, float]) -> tuple[float, ...]:
        """Sort key of an epoch."""
        return self.task.rank(measures)


class SharedLoader(TrainingLoader):
    """The parts of the batches that one rank computes.

    Args:
        loader: the loader of one process; a step takes its batch size on each rank.
        ranks: the ranks.
        reach: images before its own that a rank needs to mix them, see `Shareable`.
        pairs: keep a last batch only if it holds two images for each rank, because batch normalisation, which sees
            those of one rank, has no variance of one.
    """

    def __init__(self, loader: TrainingLoader, ranks: Ranks, reach: int, pairs: bool) -> None:
        vars(self).update(vars(loader))
        one, self._ranks, self._reach = loader.sampler, ranks, reach
        few = 2 * ranks.count - 1 if pairs else one.few
        self.sampler = EpochSampler(one.count, one.batch_size * ranks.count, one.seed, one.steps, few)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """This rank's parts of the batches of an epoch, counted from 0."""
        if self._ranks.rank:
            seed_epoch(self.sampler.seed, epoch + self._ranks.rank * STREAM)
        return super().epoch(epoch)

    def _draws(self, epoch: int) -> Iterator[Draw]:
        return (self._part_of(draw) for draw in super()._draws(epoch))

    def _part_of(self, draw: Draw) -> Draw:
        whole, rank, count = len(draw.indices), self._ranks.rank, self._ranks.count
        start, stop = rank * whole // count, (rank + 1) * whole // count
        places = np.arange(start - self._reach, max(stop, start + 1)) % whole
        return draw._replace(indices=draw.indices[places], part=Part(self._reach, stop - start, whole))


class ReadCheckpoint(Checkpoint):
    """A checkpoint that another rank saves."""

    def save(self, state: dict[str, Any]) -> None:
        """Nothing."""
