from __future__ import annotations

import pytest
import torch
from torch import Tensor

SIDE = 16


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def images() -> Tensor:
    return torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def black() -> Tensor:
    return torch.zeros(1, 3, SIDE, SIDE)


@pytest.fixture
def white() -> Tensor:
    return torch.ones(1, 3, SIDE, SIDE)
