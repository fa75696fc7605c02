"""Read the tensors of a checkpoint that torch.save wrote, and nothing else.

A checkpoint is a pickle, and a pickle can run any program. torch's restricted unpickler (`weights_only=True`) builds
tensors and containers; what people store beside them, such as the arguments of a training, becomes an object without
behaviour; anything else is refused. Sizes that a file declares are compared with the file's own before memory is taken.
"""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from cytopipe.errors import CytopipeError

DEEPEST = 6  # containers inside containers: teacher, state_dict, module, ...
_ZIP = b"PK\x03\x04"
_TORCHSCRIPT = "constants.pkl"


class _Inert:
    """Stands for an object that is no tensor: takes what its class would take, and does nothing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass


# What is common beside the weights: arguments of the training, paths, numbers of numpy. None of these classes is used.
_BESIDE = {
    "argparse.Namespace": _Inert,
    "pathlib.Path": _Inert,
    "pathlib.PosixPath": _Inert,
    "pathlib.WindowsPath": _Inert,
    "pathlib.PurePosixPath": _Inert,
    "pathlib._local.PosixPath": _Inert,
    "datetime.timedelta": _Inert,
    "numpy.dtype": _Inert,
    "numpy.core.multiarray.scalar": _Inert,
    "numpy._core.multiarray.scalar": _Inert,
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint": _Inert,
    "pytorch_lightning.utilities.parsing.AttributeDict": OrderedDict,
    "collections.defaultdict": OrderedDict,
}
_CHANGED_CALLS = {"collections.defaultdict"}  # whose arguments are not those of what takes their place


def read_checkpoint(file: BinaryIO, where: str | Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by their dotted keys; names of containers come first: `teacher.backbone.norm.bias`.

    Args:
        file: the file, from its beginning.
        where: its name, for messages.

    Returns:
        Dense tensors on the CPU, as they are in the file.

    Raises:
        CytopipeError: it is no checkpoint, is damaged, holds anything that would have to be run, declares more than it
            holds, or has no tensors.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(4)
    file.seek(0)
    if head == _ZIP:
        _check_zip(file, size, where)
    elif b"bytearray" in file.read():
        raise _too_large(where)
    file.seek(0)
    tensors = dict(_tensors(_load(file, where), ""))
    if not tensors:
        raise CytopipeError(
            "holds no tensors", where=where, hint="give a file with a state dict: torch.save(model.state_dict(), FILE)"
        )
    # An expanded tensor repeats one number as often as it likes, and its copy takes that memory.
    sizes = [tensor.numel() * tensor.element_size() for tensor in tensors.values()]
    if max(sizes) > size or sum(sizes) > 4 * size:
        raise _too_large(where)
    return tensors


def _check_zip(file: BinaryIO, size: int, where: str | Path) -> None:
    """Refuse a zip that torch.save did not write, before anything in it is read."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if any(Path(member.filename).name == _TORCHSCRIPT for member in members):
                raise CytopipeError(
                    "holds a TorchScript program, not only tensors",
                    where=where,
                    hint="get the state dict: torch.save(model.state_dict(), FILE)",
                )
            stored = all(member.compress_type == zipfile.ZIP_STORED for member in members)
            if not stored or sum(member.file_size for member in members) > size:
                raise _too_large(where)
            for member in members:
                if member.filename.endswith(".pkl") and b"bytearray" in archive.read(member):
                    raise _too_large(where)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise _damaged(where, error) from None


def _load(file: BinaryIO, where: str | Path) -> Any:
    allowed: list[Any] = [(kind, name) for name, kind in _BESIDE.items() if name not in _CHANGED_CALLS]
    try:
        with torch.serialization.safe_globals(allowed), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of storages in the format of torch before 1.6
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        text = str(error)
        if "GLOBAL" in text or "unrecognized function" in text or "allowlisted" in text:
            named = text.rpartition("GLOBAL ")[2].split()[0] if "GLOBAL " in text else "a function"
            raise CytopipeError(
                f"its pickle asks for {named}, which is no tensor; it is not loaded, because a pickle can run any "
                "program",
                where=where,
                hint="get the weights alone: safetensors, or torch.save(model.state_dict(), FILE)",
            ) from None
        raise _damaged(where, error) from None
    except Exception as error:  # a damaged or hostile pickle raises any error
        raise _damaged(where, error) from None


def _tensors(value: Any, prefix: str, depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        if value.layout == torch.strided and value.device.type == "cpu":
            yield prefix.removesuffix("."), value.detach()
    elif isinstance(value, dict) and depth < DEEPEST:
        for key, inner in value.items():
            if isinstance(key, str | int):
                yield from _tensors(inner, f"{prefix}{key}.", depth + 1)


def _too_large(where: str | Path) -> CytopipeError:
    return CytopipeError(
        "declares more than it holds, so that reading it could fill the memory; it is not loaded",
        where=where,
        hint="torch.save writes no such file: get it again, from a source that you trust",
    )


def _damaged(where: str | Path, error: Exception) -> CytopipeError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    reason = lines[-1].rpartition("WeightsUnpickler error: ")[2].strip()[:120]
    return CytopipeError(
        f"is no checkpoint of torch.save, or is damaged ({reason})", where=where, hint="get the file again"
    )
