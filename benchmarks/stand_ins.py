"""Stand-ins for parts of a training, so that only the others are measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cytopipe.training.data import Batch


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
