"""Features of a frozen backbone, computed once if nothing before the head changes during training."""

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
from cytopipe.training.memory import FeatureMemory

logger = logging.getLogger("cytopipe")
PROBE = 4  # images on which training and evaluation mode are compared
BATCH = 64  # images per forward pass


class Features(NamedTuple):
    """The head, and its inputs for both splits, memory-mapped N x ... float32."""

    head: nn.Module
    train: Labelled
    validation: Labelled


class ToDevice:
    """The transform of features, which only moves them to the device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def __call__(self, items: torch.Tensor) -> torch.Tensor:
        """The items on the device."""
        return items.to(self.device, non_blocking=True)


def frozen_features(
    model: nn.Module,
    transform: InputTransform,
    train: Labelled,
    validation: Labelled,
    folder: Path,
    memory: FeatureMemory | None = None,
) -> Features | None:
    """Compute the inputs of the head for both splits; None if they differ between epochs.

    Args:
        model: classifier on the device of the transform.
        transform: transform of stored items.
        train, validation: N x H x W x 5 uint8 items and class indices.
        folder: existing folder for the features.
        memory: remembers what the backbone makes of each image, and is attached to the model; None: nothing is.
    """
    head = fixed_head(model, transform, train.items)
    if head is None:
        return None
    if memory is not None:
        memory.attach(model, head)
    parts = {"train": train, "validation": validation}
    seen = [
        Labelled(head_inputs(model, head, transform, part.items, folder / f"{name}_features.npy"), part.labels)
        for name, part in parts.items()
    ]
    logger.info("the backbone is frozen: its head is trained on features of shape %s", seen[0].items.shape[1:])
    return Features(head, *seen)


def fixed_head(model: nn.Module, transform: InputTransform, items: Items) -> nn.Module | None:
    """The head, if the backbone is frozen and bitwise equal in training and evaluation mode; otherwise None.

    This is tested on the first items: dropout before the head, drifting batch statistics or an operation after the head
    make a difference. The weights and statistics of the model are restored.
    """
    if all(parameter.requires_grad for parameter in model.parameters()):
        return None
    head = head_of(model)[1]
    inside = {id(parameter) for parameter in head.parameters()}
    if any(parameter.requires_grad and id(parameter) not in inside for parameter in model.parameters()):
        return None
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images = transform(torch.from_numpy(items[:PROBE].copy()))
    with torch.no_grad(), inputs_of(head) as seen:
        train_mode(model)
        model(images)
        model.load_state_dict(before)
        logits = model.eval()(images)
    if len(seen) != 2 or not torch.equal(*seen):
        return None
    with torch.no_grad():
        return head if torch.equal(head(seen[1]), logits) else None


def head_inputs(model: nn.Module, head: nn.Module, transform: InputTransform, items: Items, path: Path) -> np.ndarray:
    """Compute the inputs of the head in evaluation mode, from N x H x W x 5 uint8 items.

    Returns:
        N x ... float32, written to `path` and memory-mapped.

    Raises:
        ValueError: there are no items.
    """
    written: np.memmap | None = None
    model.eval()
    with torch.inference_mode(), inputs_of(head) as seen:
        for rows, batch in batches(items, BATCH):
            model(transform(batch))
            values = seen.pop().float().cpu().numpy()
            if written is None:
                shape = (len(items), *values.shape[1:])
                written = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
            written[rows] = values
    if written is None:
        raise ValueError("there are no images")
    written.flush()
    features: np.ndarray = np.load(path, mmap_mode="r")
    return features


@contextmanager
def inputs_of(module: nn.Module) -> Iterator[list[torch.Tensor]]:
    """Collects the inputs of every call of the module."""
    seen: list[torch.Tensor] = []
    handle = module.register_forward_pre_hook(lambda _, arguments: seen.extend(arguments))
    try:
        yield seen
    finally:
        handle.remove()
