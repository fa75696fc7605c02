"""YOLO: a text file an image, `class x y width height` or `class x1 y1 x2 y2 ...` in shares of the image.

The names of the classes are lines of classes.txt (or *.names), or `names` of data.yaml.
https://docs.ultralytics.com/datasets/segment
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import yaml

from cytopipe.adapters.annotations.files import read_text_file
from cytopipe.adapters.annotations.shapes import Annotation, flat_ring, number, polygon
from cytopipe.errors import CytopipeError

_LISTS = ("classes.txt", "obj.names", "labels.txt")
_BLANK = 64  # bytes; of a file without annotations, which has a line break or two
_NUMBERS = re.compile(rb"\s*\d+(\s+[-+.\deE]+){4,}\s*$")


def is_class_list(path: PurePosixPath) -> bool:
    """Whether a file's name is that of a list of classes."""
    return path.name.lower() in _LISTS or path.suffix.lower() in (".names", ".yaml", ".yml")


def is_yolo(path: Path) -> bool:
    """Whether the first line of a text file with any text is a class and at least four numbers."""
    with path.open("rb") as file:
        lines = file.read(4096).removeprefix(codecs.BOM_UTF8).splitlines()
    first = next((line for line in lines if line.strip()), b"")
    return _NUMBERS.match(first) is not None


def is_blank(path: Path) -> bool:
    """Whether a text file holds nothing but white space, which says that nothing is in the image."""
    return path.stat().st_size <= _BLANK and not path.read_bytes().removeprefix(codecs.BOM_UTF8).strip()


def class_names(paths: Sequence[Path]) -> list[str] | None:
    """The names of the classes, by their numbers; None where no file says them.

    Raises:
        CytopipeError: two files give different names, or one cannot be read.
    """
    found: dict[Path, list[str]] = {}
    for path in paths:
        names = _of_yaml(path) if path.suffix.lower() in (".yaml", ".yml") else _of_lines(path)
        if names:
            found[path] = names
    first = next(iter(found), None)
    for path, names in found.items():
        if first is not None and names != found[first]:
            raise CytopipeError(
                f"two files name the classes: {first.name} has {', '.join(found[first][:6])}, {path.name} has "
                f"{', '.join(names[:6])}",
                where=path,
                hint="keep one of them",
            )
    return found[first] if first is not None else None


def _of_lines(path: Path) -> list[str]:
    try:
        text = read_text_file(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CytopipeError("the names of the classes are not in UTF-8", where=path, hint="save it as UTF-8") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def _of_yaml(path: Path) -> list[str]:
    try:
        value = yaml.safe_load(read_text_file(path))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise CytopipeError(f"this is no YAML: {' '.join(str(error).split())[:120]}", where=path) from None
    names = value.get("names") if isinstance(value, dict) else None
    if isinstance(names, dict) and all(str(key).isdecimal() for key in names):
        names = {int(key): name for key, name in names.items()}
        if sorted(names) != list(range(len(names))):
            raise CytopipeError(
                f"`names` does not number the classes from 0 to {len(names) - 1}", where=path, hint="number all of them"
            )
        names = [names[key] for key in sorted(names)]
    return [str(name) for name in names] if isinstance(names, list) else []


def read_yolo(path: Path, where: str, size: tuple[int, int], names: Sequence[str] | None) -> tuple[Annotation, ...]:
    """The annotations of an image.

    Args:
        path: the file; a blank one has none.
        where: its name, for errors.
        size: height and width of the image.
        names: those of the classes; None takes their numbers.

    Raises:
        CytopipeError: a line is no annotation, or of a class without a name.
    """
    if is_blank(path):
        return ()
    found = []
    height, width = size
    text = read_text_file(path).decode("utf-8-sig", "replace")
    for line, row in enumerate(text.splitlines(), start=1):
        at = f"{where}:{line}"
        if not (values := row.split()):
            continue
        sides = [number(value, at) for value in values[1:]]
        if not values[0].isdecimal() or not (len(sides) in (4, 5) or (len(sides) >= 6 and len(sides) % 2 == 0)):
            raise CytopipeError(
                f"{row.strip()[:40]!r} is neither a box (class x y width height) nor a polygon (class x1 y1 x2 y2 ...)",
                where=at,
                hint="export the annotations again",
            )
        if sides and max(map(abs, sides)) > 10:
            raise CytopipeError("these are pixels, not shares of the image from 0 to 1", where=at)
        kind = int(values[0])
        if names is not None and kind >= len(names):
            raise CytopipeError(f"there is no class {kind}: the list has {len(names)}, counted from 0", where=at)
        label = names[kind] if names is not None else values[0]
        if len(sides) <= 5:
            x, y, across, down = sides[0] * width, sides[1] * height, sides[2] * width, sides[3] * height
            found.append(Annotation(label, at, box=(x - across / 2, y - down / 2, x + across / 2, y + down / 2)))
        else:
            found.append(Annotation(label, at, outline=polygon(flat_ring(sides, at) * (width, height))))
    return tuple(found)
