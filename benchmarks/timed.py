"""Run a stage script and record its total time, the time of its networks and that of its imports.

    python timed.py RECORD SCRIPT [ARGUMENT ...]

Forward passes are timed from outside (the outermost module only), backward passes and optimiser steps by wrapping
torch's own functions once the stage has imported torch; for a stage without torch the time is 0 s. Imports are timed
by wrapping `__import__`: they include what is imported inside functions, when these run.
"""

from __future__ import annotations

import builtins
import importlib.abc
import importlib.machinery
import importlib.util
import json
import runpy
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any


class Stopwatch:
    """Measures the time of calls; of nested calls, only the outermost counts."""

    def __init__(self) -> None:
        self.seconds, self._depth, self._start = 0.0, 0, 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function so that its calls are timed."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            if self._depth == 0:
                self._start = time.perf_counter()
            self._depth += 1
            try:
                return function(*args, **kwargs)
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self.seconds += time.perf_counter() - self._start

        return timed


class AfterTorch(importlib.abc.MetaPathFinder):
    """An import hook that wraps torch's functions as soon as torch is imported."""

    def __init__(self, watch: Stopwatch) -> None:
        self.watch = watch

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of torch, extended by the wrapping; None for other modules."""
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.loader is not None
        load = spec.loader.exec_module

        def load_and_wrap(module: ModuleType) -> None:
            load(module)
            self._wrap()

        spec.loader.exec_module = load_and_wrap  # type: ignore[method-assign]  # of this loader alone
        return spec

    def _wrap(self) -> None:
        import torch

        for owner, name in (
            (torch.nn.Module, "__call__"),
            (torch.Tensor, "backward"),
            (torch.optim.AdamW, "step"),
            (torch.optim.Adam, "step"),
            (torch.optim.SGD, "step"),
        ):
            setattr(owner, name, self.watch.around(getattr(owner, name)))


def main(record: Path, arguments: list[str]) -> None:
    """Run the script as the main program and append its times to the record as a line of JSON."""
    start = time.perf_counter()
    networks, imports = Stopwatch(), Stopwatch()
    sys.meta_path.insert(0, AfterTorch(networks))
    builtins.__import__ = imports.around(builtins.__import__)
    sys.argv = arguments
    sys.path[0] = str(Path(arguments[0]).parent)
    try:
        runpy.run_path(arguments[0], run_name="__main__")
    finally:
        taken = {
            "seconds": time.perf_counter() - start,
            "network_seconds": networks.seconds,
            "import_seconds": imports.seconds,
        }
        with record.open("a") as file:
            print(json.dumps({"stage": " ".join(arguments), **taken}), file=file)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
