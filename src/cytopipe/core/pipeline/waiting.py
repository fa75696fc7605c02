"""How idle threads of the numerical libraries wait: asleep, so that a core they do not use is another process's.

A thread that waits in a loop takes the same share of a core as one that works. Where cores are shared, the thread that
the others wait for then gets the less of them. Sleeping costs a wake-up for each parallel loop, and changes no result.
"""

from __future__ import annotations

import os

WAITING = {
    "OMP_WAIT_POLICY": "passive",  # torch, MKL and oneDNN, scikit-learn (libgomp)
    "KMP_BLOCKTIME": "0",  # the same for Intel's OpenMP, where a library brings it
    "OPENBLAS_THREAD_TIMEOUT": "4",  # numpy, scipy: sleep after 2**4 cycles; after 2**26 (10 ms or more) by default
}


def wait_asleep() -> None:
    """Make idle threads sleep, unless the environment says otherwise; call it before numpy or torch is imported."""
    for variable, value in WAITING.items():
        os.environ.setdefault(variable, value)
