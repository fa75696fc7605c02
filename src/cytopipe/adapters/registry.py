"""The dataset adapters: found in every module of this package that defines `ADAPTER`."""

from __future__ import annotations

import difflib
import importlib
import pkgutil

from cytopipe import adapters
from cytopipe.adapters.base import Adapter
from cytopipe.errors import CytopipeError

_NAMES = (module.name for module in pkgutil.iter_modules(adapters.__path__) if module.name != "registry")
_MODULES = [importlib.import_module(f"{adapters.__name__}.{name}") for name in _NAMES]
ADAPTERS: dict[str, Adapter] = {
    module.ADAPTER.name: module.ADAPTER for module in _MODULES if hasattr(module, "ADAPTER")
}


def adapter(name: str, key: str) -> Adapter:
    """The adapter of this name.

    Raises:
        CytopipeError: when there is none, with the nearest name.
    """
    if name not in ADAPTERS:
        near = difflib.get_close_matches(name, ADAPTERS, n=1) or sorted(ADAPTERS)
        raise CytopipeError(f"no adapter is called '{name}'; did you mean: {', '.join(near)}", where=key)
    return ADAPTERS[name]
