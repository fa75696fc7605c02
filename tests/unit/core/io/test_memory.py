"""The bound on memory: what it refuses, and that it leaves the process as it was."""

from __future__ import annotations

import sys
from contextlib import ExitStack

import numpy as np
import pytest

from cytopipe.core.io.memory import GIB, MIB, bounded_memory

resource = pytest.importorskip("resource")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no bound")


def limits() -> tuple[int, int]:
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    return soft, hard


def test_an_allocation_beyond_the_bound_fails_and_the_limits_come_back() -> None:
    before = limits()
    with pytest.raises(MemoryError), bounded_memory(MIB):
        np.zeros(64 * GIB, np.uint8)
    assert limits() == before


@pytest.mark.parametrize("last", [0, 1])
def test_blocks_of_several_threads_may_end_in_any_order(last: int) -> None:
    before = limits()
    blocks = [ExitStack(), ExitStack()]
    blocks[0].enter_context(bounded_memory(2 * GIB))
    wide = limits()
    blocks[1].enter_context(bounded_memory(GIB))
    narrow = limits()
    assert narrow < wide
    blocks[1 - last].close()
    assert limits() == (wide if last == 0 else narrow)
    blocks[last].close()
    assert limits() == before
