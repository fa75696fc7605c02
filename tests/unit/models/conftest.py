from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Initial weights are drawn from torch's generator; each test gets the same ones in any order."""
    torch.manual_seed(0)
