"""Tensors of cells: class 0 is dark, class 1 bright, class 2 red; each image is its own group."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from cytopipe.core.params import Embedding
from cytopipe.data.manifest import Row
from embedding_types import Cells, Make

CLASSES = ("dark", "bright", "red")
SIDE = 32
SPLITS = ("train", "train", "train", "val", "test")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def cells() -> Cells:
    """60 images in id order, their rows and their labels."""
    rng, count = np.random.default_rng(0), 60
    labels = np.arange(count) % 3
    items = rng.integers(0, 60, (count, SIDE, SIDE, 5), dtype=np.uint8)
    items[labels == 1, ..., :3] += 150
    items[labels == 2, ..., 0] += 150
    items[..., 3:] = 0
    items[:, 4:28, 4:28, 3] = 255
    items[:, 12:20, 12:20, 4] = 255
    rows = [
        Row(
            f"i{one:02}",
            f"{one}.png",
            CLASSES[label],
            int(label),
            SPLITS[one // 3 % 5],
            f"g{one}",
            SIDE,
            SIDE,
            f"{one:064}",
        )
        for one, label in enumerate(labels)
    ]
    return Cells(items, rows, labels)


@pytest.fixture
def make() -> Make:
    """An embedding by timm's smallest network, untrained, with some changes."""
    plain = {"dataset": "cells", "architecture": "timm/test_resnet", "pretrained": "workflow/weights/none"}
    return lambda **changes: Embedding.model_validate({**plain, **changes})
