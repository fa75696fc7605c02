"""Sends a training to another process of this machine: arrays on disk by name, and low-rank changes piece by piece.

This is pickle, through a pipe between a process and the one that it started; nothing of it is ever read from a file.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
from torch import nn
from torch.nn.utils import parametrize


def pack(value: Any) -> bytes:
    """Anything that pickle takes; memory-mapped arrays cost a line, because the other process maps the same files."""
    buffer = io.BytesIO()
    _Packer(buffer, pickle.HIGHEST_PROTOCOL).dump(value)
    return buffer.getvalue()


def unpack(data: bytes) -> Any:
    """What this process's own parent packed."""
    return pickle.loads(data)


class _Packer(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return _by_name(value)
        if isinstance(value, nn.Module) and parametrize.is_parametrized(value):
            return _in_pieces(value)
        return NotImplemented


def _by_name(array: np.ndarray) -> Any:
    """How to map a memory-mapped array, or a view of one, again; others are packed with their numbers."""
    mapped: Any = array
    while mapped is not None and not isinstance(mapped, np.memmap):
        mapped = getattr(mapped, "base", None)
    while mapped is not None and isinstance(mapped.base, np.memmap):
        mapped = mapped.base  # the one that was mapped: views of it carry its offset, whatever they show
    if mapped is None or not mapped.filename or not array.nbytes or not array.flags.c_contiguous:
        return NotImplemented
    offset = mapped.offset + array.__array_interface__["data"][0] - mapped.__array_interface__["data"][0]
    return _mapped, (str(mapped.filename), array.dtype.str, offset, array.shape)


def _mapped(name: str, kind: str, offset: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(np.memmap(name, np.dtype(kind), mode="r", offset=offset, shape=shape))


def _in_pieces(layer: nn.Module) -> Any:
    """A layer with changed weights as the plain layer and its changes, because torch packs none."""
    changes = {name: list(found) for name, found in layer.parametrizations.items()}  # type: ignore[union-attr,operator]
    state = vars(layer) | {"_parameters": dict(layer._parameters), "_modules": dict(layer._modules)}
    del state["_modules"]["parametrizations"]
    for name, found in layer.parametrizations.items():  # type: ignore[union-attr,operator]
        state["_parameters"][name] = found.original
    return _joined, (type(layer).__bases__[0], state, changes)


def _joined(kind: type[nn.Module], state: dict[str, Any], changes: dict[str, list[nn.Module]]) -> nn.Module:
    layer = kind.__new__(kind)
    vars(layer).update(state)
    for name, found in changes.items():
        for change in found:
            parametrize.register_parametrization(layer, name, change, unsafe=True)
    return layer
