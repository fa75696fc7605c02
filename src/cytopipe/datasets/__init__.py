"""Dataset adapters: one module a published dataset, and `folder` for your own images."""

from __future__ import annotations

import difflib

from cytopipe.datasets import bethesda, cell_background, folder, hep2, herlev, malaria, sipakmed, wbc
from cytopipe.datasets.base import Adapter, Sample
from cytopipe.errors import CytopipeError

_MODULES = (folder, sipakmed, wbc, hep2, malaria, herlev, bethesda, cell_background)
ADAPTERS = {module.ADAPTER.name: module.ADAPTER for module in _MODULES}

__all__ = ["ADAPTERS", "Adapter", "Sample", "adapter"]


def adapter(name: str, key: str) -> Adapter:
    """The adapter of this name.

    Raises:
        CytopipeError: when there is none, with the nearest name.
    """
    if name not in ADAPTERS:
        near = difflib.get_close_matches(name, ADAPTERS, n=1) or sorted(ADAPTERS)
        raise CytopipeError(f"no adapter is called '{name}'; did you mean: {', '.join(near)}", where=key)
    return ADAPTERS[name]
