"""The images named on a command line: files, folders, patterns and tables, as one list in the given order."""

from __future__ import annotations

import glob
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from cytopipe.adapters.alike import alike
from cytopipe.adapters.names import ImageNames
from cytopipe.adapters.tables import SUFFIXES as TABLE_SUFFIXES
from cytopipe.adapters.tables import read_table
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
            matches are treated as if each were named; or tables (CSV, .tsv, .txt, .xlsx) with paths relative to their
            own folder, whose names are matched with the files as those of a dataset's table are.
        column: column of the paths in tables; None takes the first of COLUMNS.

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
    elif path.suffix.lower() in TABLE_SUFFIXES and path.is_file():
        yield from (image for image, _ in table_rows(path, column))
    elif os.path.lexists(path):
        yield str(path)
    elif glob.has_magic(name):
        for match in sorted(glob.glob(name, recursive=True)):  # noqa: PTH207  # Path.glob takes no absolute pattern
            yield from _of(match, column)
    else:
        raise CytopipeError("no such image, folder, pattern or table", where=name)


def _in_folder(folder: Path) -> Iterator[str]:
    """Images below a folder, sorted by path; links are followed unless they form a cycle."""
    names = _names_below(folder)
    others = (name for name in names if not is_image_name(name) and (folder / name).is_file())
    left_out = LeftOut.of({name: why_unread(folder / name) for name in others})
    if may_be_missed(left_out):
        logger.warning("%s: not read: %s", folder, left_out)
    yield from (str(folder / name) for name in names if is_image_name(name))


def _names_below(folder: Path) -> list[str]:
    names = []
    for root, folders, files in os.walk(folder, followlinks=True, onerror=refuse_folder):
        here = Path(root)
        cycles = (name for name in folders if here.resolve().is_relative_to((here / name).resolve()))
        folders[:] = sorted({name for name in folders if not is_junk(name)} - set(cycles))
        names += [(here / name).relative_to(folder).as_posix() for name in files]
    return without_litter(sorted(names))


def table_rows(table: Path, column: str | None = None) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The images of a table with their rows, see `list_images`.

    Raises:
        CytopipeError: the table has no rows, lacks the column, or does not name an image.
    """
    hint = "name the column of the images' paths: --column NAME"
    rows = list(read_table(table, (column,) if column else (), hint))
    if not rows:
        raise CytopipeError("the table has no rows", where=table)
    wanted = (column,) if column else COLUMNS
    there = [name for want in wanted for name in rows[0][1] if alike(name) == alike(want)]
    if not there:
        header = ", ".join(repr(name) for name in rows[0][1] if name)
        raise CytopipeError(f"no column {' or '.join(map(repr, wanted))}; it has {header}", where=table, hint=hint)
    names: ImageNames | None = None
    for line, row in rows:
        value = row[there[0]]
        if not value:
            raise CytopipeError("no image is named", where=f"{table}:{line}")
        path = table.parent / value
        if not path.exists():
            if names is None:
                names = ImageNames(filter(is_image_name, _names_below(table.parent)), table.parent)
            # A name that means no file is listed as it stands: it becomes a row with an error.
            path = table.parent / (names.find(value, f"{table}:{line}") or value)
        yield str(path), row
    if names is not None:
        names.log(table)
