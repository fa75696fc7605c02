"""Features of a frozen backbone, computed once where nothing before the head changes while the head is trained."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from cytopipe.data.tensors import Items
from cytopipe.models.heads import head_of, train_mode
from cytopipe.models.transforms import InputTransform, batches
from cytopipe.training.data import Labelled

logger = logging.getLogger("cytopipe")
PROBE = 4  # images on which training and evaluation are compared
BATCH = 64  # images of a forward pass


class Features(NamedTuple):
    """The head, and what it sees of both splits: items are N x ... float32, memory-mapped."""

    head: nn.Module
    train: Labelled
    validation: Labelled


class ToDevice:
    """The transform of features: they need none."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def __call__(self, items: torch.Tensor) -> torch.Tensor:
        """The same on the device."""
        return items.to(self.device, non_blocking=True)


def frozen_features(
    model: nn.Module, transform: InputTransform, train: Labelled, validation: Labelled, folder: Path
) -> Features | None:
    """The features of both splits that the head sees, or None where they are not the same in every epoch.

    Args:
        model: on the transform's device.
        transform: of stored items.
        train, validation: N x H x W x 5 uint8 and labels.
        folder: existing; the features are written here.
    """
    head = fixed_head(model, transform, train.items)
    if head is None:
        return None
    parts = {"train": train, "validation": validation}
    seen = [
        Labelled(head_inputs(model, head, transform, part.items, folder / f"{name}_features.npy"), part.labels)
        for name, part in parts.items()
    ]
    logger.info("the backbone is frozen: its head is trained on features of shape %s", seen[0].items.shape[1:])
    return Features(head, *seen)


def fixed_head(model: nn.Module, transform: InputTransform, items: Items) -> nn.Module | None:
    """The head, if the backbone is frozen and gives the same in training as in evaluation, to the bit.

    Tried out on some of the items, as dropout before the head or batch statistics that drift would have it differ;
    so would anything between the head and the logits. The model's weights and statistics are left as they were.
    """
    if all(parameter.requires_grad for parameter in model.parameters()):
        return None
    head = head_of(model)[1]
    inside = {id(parameter) for parameter in head.parameters()}
    if any(parameter.requires_grad and id(parameter) not in inside for parameter in model.parameters()):
        return None
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images = transform(torch.from_numpy(items[:PROBE].copy()))
    with torch.no_grad(), _inputs_of(head) as seen:
        train_mode(model)
        model(images)
        model.load_state_dict(before)
        logits = model.eval()(images)
    if len(seen) != 2 or not torch.equal(*seen):
        return None
    with torch.no_grad():
        return head if torch.equal(head(seen[1]), logits) else None


def head_inputs(model: nn.Module, head: nn.Module, transform: InputTransform, items: Items, path: Path) -> np.ndarray:
    """Features of N x H x W x 5 uint8 in evaluation mode: N x ... float32, written to `path` and memory-mapped."""
    written: np.memmap | None = None
    model.eval()
    with torch.inference_mode(), _inputs_of(head) as seen:
        for rows, batch in batches(items, BATCH):
            model(transform(batch))
            values = seen.pop().float().cpu().numpy()
            if written is None:
                shape = (len(items), *values.shape[1:])
                written = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
            written[rows] = values
    if written is None:
        raise ValueError("there are no images to see")
    written.flush()
    features: np.ndarray = np.load(path, mmap_mode="r")
    return features


@contextmanager
def _inputs_of(module: nn.Module) -> Iterator[list[torch.Tensor]]:
    """Collects what the module is called with."""
    seen: list[torch.Tensor] = []
    handle = module.register_forward_pre_hook(lambda _, arguments: seen.extend(arguments))
    try:
        yield seen
    finally:
        handle.remove()
