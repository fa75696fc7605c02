"""The layouts in which phantoms can be drawn: every module of `cytopipe_phantoms.writers`, found by its name."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from typing import Any

from cytopipe.errors import CytopipeError
from cytopipe_phantoms import writers
from cytopipe_phantoms.writer import Writer


def layouts() -> list[str]:
    """Names of the layouts, sorted; no writer is imported."""
    return sorted(module.name for module in pkgutil.iter_modules(writers.__path__))


def find_writer(layout: str, where: str) -> Writer[Any]:
    """The writer of a layout.

    Args:
        layout: name of the module in `cytopipe_phantoms.writers`, whose `WRITER` it is.
        where: key of params.yaml, for errors.

    Raises:
        CytopipeError: there is none of this name, with the nearest names.
    """
    if layout not in (known := layouts()):
        near = difflib.get_close_matches(layout, known, n=1) or known
        raise CytopipeError(f"no phantoms have the layout '{layout}'; did you mean: {', '.join(near)}", where=where)
    writer: Writer[Any] = importlib.import_module(f"{writers.__name__}.{layout}").WRITER
    return writer
