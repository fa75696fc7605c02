"""timm and torchvision, imported without torch's compiler. Import both libraries from here.

They mention the compiler, `torch._dynamo`, for functions that cytopipe never calls, but load it at once, with triton
and sympy: 150 MB, and nearly the time that torch itself takes. While they are imported, stand-ins take its place.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from torch._compile import _disable_dynamo

__all__ = ["timm", "torchvision"]

_COMPILER = "torch._dynamo"
_UTILITIES = "torch._dynamo.utils"


class _StandIn(ModuleType):
    """Takes a module's place until an attribute is read that it lacks; then the module itself is imported."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        _remove_stand_ins()
        return getattr(importlib.import_module(self.__name__), name)


def _disable(function: Any, recursive: bool = True, **_: Any) -> Any:
    """Keep a function from being compiled, as `torch._dynamo.disable` does, from its first call on."""
    return _disable_dynamo(function, recursive)


def _is_compile_supported(device: Any) -> Any:
    """Ask the compiler when the answer is needed."""
    return importlib.import_module(_UTILITIES).is_compile_supported(device)


@contextmanager
def _without_compiler() -> Iterator[None]:
    if _COMPILER not in sys.modules:
        compiler, utilities = _StandIn(_COMPILER), _StandIn(_UTILITIES)
        vars(compiler)["disable"] = _disable
        vars(utilities)["is_compile_supported"] = _is_compile_supported
        sys.modules.update({_COMPILER: compiler, _UTILITIES: utilities})
    try:
        yield
    finally:
        _remove_stand_ins()


def _remove_stand_ins() -> None:
    for name in (_COMPILER, _UTILITIES):
        if isinstance(sys.modules.get(name), _StandIn):
            del sys.modules[name]


with _without_compiler():
    import timm
    import torchvision
