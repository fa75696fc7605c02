"""The images named on a command line: files, folders, patterns and tables, as one list in the given order."""

from __future__ import annotations

import glob
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from cytopipe.adapters.base import read_csv
from cytopipe.core.io.folders import refuse_folder
from cytopipe.core.io.left_out import LeftOut
from cytopipe.core.io.litter import is_junk, without_litter
from cytopipe.data.imaging.formats import SUFFIXES, is_image_name
from cytopipe.data.imaging.unread import may_be_missed, why_unread
from cytopipe.errors import CytopipeError

logger = logging.getLogger("cytopipe")
COLUMNS = ("image", "path")  # column of the paths in a table; the first that exists
_FORMULA = tuple("=+-@\t\r")  # characters at which a spreadsheet begins a formula


def list_images(named: Iterable[str], column: str | None = None) -> list[str]:
    """List the paths of the images, without duplicates, in the order in which they are named.

    Args:
        named: image files; folders, whose images at any depth are sorted; patterns (`*`, `?`, `[...]`, `**`), whose
            matches are treated as if each were named; or CSV tables with paths relative to their own folder.
        column: column of the paths in CSV tables; None takes the first of COLUMNS.

    Returns:
        Paths relative to the current folder, or absolute. A path that a spreadsheet would take for a formula begins
        with `./`.

    Raises:
        CytopipeError: a name does not exist, a folder or pattern has no image, or a table lacks the column.
    """
    found: dict[str, str] = {}
    for name in named:
        paths = list(_of(name, column))
        if not paths:
            raise CytopipeError("no image here", where=name, hint=f"images end in {', '.join(SUFFIXES)}")
        for path in paths:
            found.setdefault(os.path.abspath(path), path)  # noqa: PTH100  # not resolved: a link is a separate image
    return [f"./{path}" if path.startswith(_FORMULA) else path for path in found.values()]


def _of(name: str, column: str | None) -> Iterator[str]:
    path = Path(name)
    if path.is_dir():
        yield from _in_folder(path)
    elif path.suffix.lower() == ".csv" and path.is_file():
        yield from _in_table(path, column)
    elif os.path.lexists(path):
        yield str(path)
    elif glob.has_magic(name):
        for match in sorted(glob.glob(name, recursive=True)):  # noqa: PTH207  # Path.glob takes no absolute pattern
            yield from _of(match, column)
    else:
        raise CytopipeError("no such image, folder, pattern or table", where=name)


def _in_folder(folder: Path) -> Iterator[str]:
    """Images below a folder, sorted by path; links are followed unless they form a cycle."""
    names = []
    for root, folders, files in os.walk(folder, followlinks=True, onerror=refuse_folder):
        here = Path(root)
        cycles = (name for name in folders if here.resolve().is_relative_to((here / name).resolve()))
        folders[:] = sorted({name for name in folders if not is_junk(name)} - set(cycles))
        names += [(here / name).relative_to(folder).as_posix() for name in files]
    names = without_litter(sorted(names))
    others = (name for name in names if not is_image_name(name) and (folder / name).is_file())
    left_out = LeftOut.of({name: why_unread(folder / name) for name in others})
    if may_be_missed(left_out):
        logger.warning("%s: not read: %s", folder, left_out)
    yield from (str(folder / name) for name in names if is_image_name(name))


def _in_table(table: Path, column: str | None) -> Iterator[str]:
    rows = list(read_csv(table, (), ""))
    if not rows:
        raise CytopipeError("the table has no rows", where=table)
    there = [name for name in ((column,) if column else COLUMNS) if name in rows[0][1]]
    if not there:
        wanted = f"'{column}'" if column else " or ".join(map(repr, COLUMNS))
        raise CytopipeError(
            f"no column {wanted}; it has {', '.join(map(repr, rows[0][1]))}",
            where=table,
            hint="name the column of the images' paths: --column NAME",
        )
    for line, row in rows:
        if not row[there[0]]:
            raise CytopipeError("no image is named", where=f"{table}:{line}")
        yield str(table.parent / row[there[0]])
