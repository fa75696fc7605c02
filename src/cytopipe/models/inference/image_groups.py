"""The group of each image, such as its patient: from a column of a table, or the folder that the image lies in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cytopipe.adapters.alike import alike
from cytopipe.adapters.tables import SUFFIXES as TABLE_SUFFIXES
from cytopipe.errors import CytopipeError
from cytopipe.models.inference.image_paths import table_rows

FOLDER = "folder"  # what `--by` is called for the folder of an image
_HINT = "name a column of the table of images, give one with --table CSV, or say --by folder"


def groups_of(
    images: Sequence[str], named: Sequence[str], by: str, table: Path | None = None, column: str | None = None
) -> dict[str, str]:
    """The group of each image.

    Args:
        images: paths, from `list_images`.
        named: what the command named; the tables among these are searched for the column.
        by: name of the column; `folder` for the folder of each image where no table has such a column.
        table: another table with the column `by`; its paths are relative to its own folder, and a file name that is
            unique in it is enough.
        column: column of the paths in tables; None takes the usual ones.

    Raises:
        CytopipeError: no table has the column, or an image has no group.
    """
    tables = [table] if table else [Path(name) for name in named if _is_table(Path(name))]
    known = dict[str, str]()
    for one in tables:
        known |= _of_table(one, by, column)
    if not known:
        if by == FOLDER and not table:
            return _folders(images)
        where = tables[0] if tables else by
        raise CytopipeError(f"no table with a column '{by}' says which images belong together", where=where, hint=_HINT)
    names = _unique_names(known)
    found = {}
    for image in images:
        group = known.get(_absolute(image)) or names.get(Path(image).name)
        if not group:
            raise CytopipeError(f"no '{by}' is given for this image", where=image, hint=_HINT)
        found[image] = group
    return found


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in TABLE_SUFFIXES and path.is_file()


def _of_table(table: Path, by: str, column: str | None) -> Iterator[tuple[str, str]]:
    for image, row in table_rows(table, column):
        for name, value in row.items():
            if name and alike(name) == alike(by) and value:
                yield _absolute(image), value.strip()


def _absolute(image: str) -> str:
    return os.path.abspath(image)  # noqa: PTH100  # not resolved: a link is a separate image


def _unique_names(known: Mapping[str, str]) -> dict[str, str]:
    """Groups by file name; names of images of several groups are left out."""
    groups: dict[str, set[str]] = {}
    for path, group in known.items():
        groups.setdefault(Path(path).name, set()).add(group)
    return {name: next(iter(found)) for name, found in groups.items() if len(found) == 1}


def _folders(images: Sequence[str]) -> dict[str, str]:
    """The folder of each image, relative to the one that all folders are in."""
    parents = {image: Path(_absolute(image)).parent for image in images}
    if len(set(parents.values())) == 1:
        return {image: parent.name or parent.as_posix() for image, parent in parents.items()}
    above = Path(os.path.commonpath(list(set(parents.values()))))
    own = above.name or above.as_posix()  # of images that lie in the upper folder itself
    return {
        image: own if parent == above else parent.relative_to(above).as_posix() for image, parent in parents.items()
    }
