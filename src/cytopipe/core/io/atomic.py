"""Atomic writes: after a crash an output is the whole old one or the whole new one.

A full disk leaves a full-size broken file behind `np.save` and `torch.save`. Everything here is written
beside its final name, flushed to the disk and renamed.
"""

from __future__ import annotations

import itertools
import json
import math
import numbers
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any

from cytopipe.errors import CytopipeError

# A model folder is flushed whole. A folder of tens of thousands of images would take minutes and can be
# made again.
FLUSHED_FILES = 100


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically; missing parent folders are made, a link is replaced."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _flush_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, as UTF-8 with the line ends that it has."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` atomically as indented JSON in UTF-8: keys as given, floats with six significant digits.

    Args:
        path: the file.
        value: dictionaries, lists, tuples, strings, numbers (of numpy too), booleans and None.

    Raises:
        CytopipeError: for NaN and infinity, which are not JSON, naming their key.
        TypeError: for other types.
    """
    try:
        plain = round_floats(value)
    except CytopipeError as fault:
        raise CytopipeError(fault.what, where=path, hint=fault.hint) from None
    write_text(path, json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def round_floats(value: Any, *, key: str = "") -> Any:
    """Return a copy of nested dictionaries and lists with every float rounded to six significant digits.

    Tuples become lists, numpy scalars Python numbers and -0.0 becomes 0.0. `key` is the path of `value` that
    a message names.

    Raises:
        CytopipeError: for NaN and infinity.
    """
    if isinstance(value, dict):
        return {name: round_floats(item, key=f"{key}.{name}".lstrip(".")) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [round_floats(item, key=f"{key}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, numbers.Integral):
        return value if isinstance(value, bool) else int(value)
    if isinstance(value, numbers.Real):
        number = float(value)
        if not math.isfinite(number):
            raise CytopipeError(
                f"{key or 'the value'} is {number}, which JSON does not know",
                hint="write null where a value is not defined",
            )
        return float(f"{number:.6g}") + 0.0
    return value


class AtomicOutputs:
    """Outputs of one piece of work that appear together when it has succeeded, or not at all.

        with AtomicOutputs() as outputs:
            make_folder(outputs.path(Path("data/x/images")))
            make_table(outputs.path(Path("data/x/manifest.csv")))

    Ask last for the output that marks the others as complete: it is the first old one to be removed and the last
    new one to appear. Hold a `StageLock`: the hidden working names are the same in every run, so that
    a run finds and removes what a killed one left (`.NAME.partial`, `.NAME.old`).
    """

    def __init__(self) -> None:
        self._finals: list[Path] = []

    def path(self, final: Path) -> Path:
        """Return the hidden sibling to write instead of `final`; the caller makes a file or a folder of it.

        Raises:
            ValueError: when `final` was asked for before, or lies in or around another output.
        """
        final = Path(final)
        for other in self._finals:
            if final == other or final in other.parents or other in final.parents:
                raise ValueError(f"outputs overlap: {other} and {final}")
        final.parent.mkdir(parents=True, exist_ok=True)
        _clear_after_a_kill(final)
        self._finals.append(final)
        return _partial(final)

    def __enter__(self) -> AtomicOutputs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._commit()
        finally:
            for final in self._finals:
                _remove(_partial(final))

    def _commit(self) -> None:
        for final in self._finals:
            if not _exists(_partial(final)):
                raise CytopipeError(
                    "this output was announced and never written",
                    where=final,
                    hint="this is a bug: report it",
                )
            _flush(_partial(final))
        try:
            # An old manifest beside new data would pass for theirs, so it is gone before they come.
            for final in reversed(self._finals):
                if _exists(final):
                    final.rename(_old(final))
            for final in self._finals:
                _partial(final).rename(final)
        except BaseException:
            self._roll_back()
            raise
        for final in self._finals:
            _remove(_old(final))
            _flush_folder(final.parent)

    def _roll_back(self) -> None:
        for final in self._finals:
            if not _exists(_partial(final)):
                _remove(final)
            if _exists(_old(final)):
                _old(final).rename(final)


def _partial(final: Path) -> Path:
    return final.with_name(f".{final.name}.partial")


def _old(final: Path) -> Path:
    return final.with_name(f".{final.name}.old")


def _clear_after_a_kill(final: Path) -> None:
    """Remove what a killed run left; an old output that it had moved aside comes back."""
    _remove(_partial(final))
    if _exists(_old(final)) and not _exists(final):
        _old(final).rename(final)
    _remove(_old(final))


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Bring a file, or the first files of a folder, to the disk: delayed write faults show up here."""
    files = [path] if path.is_file() else (item for item in path.rglob("*") if item.is_file())
    for file in itertools.islice(files, FLUSHED_FILES):
        with file.open("rb") as opened:
            os.fsync(opened.fileno())


def _flush_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk; Windows does not open folders."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
