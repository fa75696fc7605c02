"""Bring batches to the device, each while the step before it is computed, and augment them there if asked to."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from cytopipe.core.params import Augmentation, Training
from cytopipe.data.augment import Augmenter
from cytopipe.training.augment_tensors import TensorAugmenter
from cytopipe.training.data import Batch


def host_augmenter(recipe: Training) -> Augmenter:
    """The augmenter of the loader; with `augment_on: device` it leaves the images as they are."""
    return Augmenter(recipe.augment if recipe.augment_on == "host" else Augmentation(), recipe.seed)


class Feeder:
    """Sends batches to the device; on a GPU one batch ahead, on a stream of its own.

    Args:
        recipe: with `augment_on: device` batches are augmented on the device.
        device: device of the training.
    """

    def __init__(self, recipe: Training, device: torch.device) -> None:
        self.device = device
        here = recipe.augment_on == "device" and not Augmenter(recipe.augment, recipe.seed).idle
        self._augmenter = TensorAugmenter(recipe.augment, recipe.seed) if here else None

    def __call__(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The same batches, in order, on the device."""
        return self._ahead(batches) if self.device.type == "cuda" else map(self._send, batches)

    def _send(self, batch: Batch) -> Batch:
        """Copy a batch without waiting (from pinned memory), then augment it."""
        items = batch.items.to(self.device, non_blocking=True)
        if self._augmenter is not None:
            items = self._augmenter(items, batch.turn, batch.indices.numpy())
        return batch._replace(items=items, indices=batch.indices.to(self.device, non_blocking=True))

    def _ahead(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        copying, computing = torch.cuda.Stream(self.device), torch.cuda.current_stream(self.device)
        with torch.cuda.stream(copying):
            coming = self._next(batches)
        while coming is not None:
            batch = coming
            computing.wait_stream(copying)
            for tensor in (batch.items, batch.indices):
                tensor.record_stream(computing)  # else its memory could be reused while the step still reads it
            with torch.cuda.stream(copying):
                coming = self._next(batches)
            yield batch

    def _next(self, batches: Iterator[Batch]) -> Batch | None:
        batch = next(batches, None)
        return None if batch is None else self._send(batch)
