from __future__ import annotations

import pytest
import torch

from narrow_networks import NARROW, Narrow


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Seed the initial weights, so that a test gets the same ones in any order."""
    torch.manual_seed(0)


@pytest.fixture(params=NARROW, ids=lambda narrow: narrow.name)
def narrow(request: pytest.FixtureRequest) -> Narrow:
    """Each published classifier, in a narrow variant."""
    found: Narrow = request.param
    return found
