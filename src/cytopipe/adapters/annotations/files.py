"""Reading JSON and XML of strangers: bounded in bytes and depth, without entities, every fault one error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from cytopipe.errors import CytopipeError

MOST_BYTES = 512 << 20  # of a file, which is held in memory about ten times as large
_DEEPEST = 100  # levels of XML; annotations have five
_AGAIN = "export the annotations again"


def read_text_file(path: Path) -> bytes:
    """The bytes of a file of annotations.

    Raises:
        CytopipeError: it is empty, too large or cannot be read.
    """
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise CytopipeError(
                f"a file of annotations of {size:,} bytes; at most {MOST_BYTES:,} are read",
                where=path,
                hint="export fewer images into a file",
            )
        data = path.read_bytes()
    except OSError as error:
        raise CytopipeError(f"cannot be read ({error.strerror})", where=path) from None
    if not data.strip():
        raise CytopipeError("the file of annotations is empty", where=path, hint=_AGAIN)
    return data


def read_json(path: Path) -> Any:
    """The value of a JSON file.

    Raises:
        CytopipeError: it is no JSON, with line and column.
    """

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no number of JSON")

    try:
        return json.loads(read_text_file(path).decode("utf-8-sig"), parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise CytopipeError(
            f"this is no whole JSON: {error.msg}", where=f"{path}:{error.lineno}:{error.colno}", hint=_AGAIN
        ) from None
    except UnicodeDecodeError:
        raise CytopipeError("this is no JSON: it is not in UTF-8", where=path, hint=_AGAIN) from None
    except (RecursionError, ValueError) as error:
        fault = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise CytopipeError(f"this is no JSON that can be read: {fault}", where=path, hint=_AGAIN) from None


def read_xml(path: Path) -> ElementTree.Element:
    """The root of an XML file. A document type is refused: entities, which can grow without bounds, need one.

    Raises:
        CytopipeError: it is no XML, with line and column; it has a document type, or is nested too deeply.
    """
    data = read_text_file(path)
    depth = 0

    def refuse(*_: object) -> None:
        raise CytopipeError(
            "the XML has a document type, which can define entities: it is not read",
            where=path,
            hint="no program for annotations writes one; remove the line `<!DOCTYPE ...>`",
        )

    def enter(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise CytopipeError(f"the XML is nested more than {_DEEPEST} levels deep", where=path)

    def leave(_: str) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = enter, leave
    try:
        parser.Parse(data, True)
        return ElementTree.fromstring(data)
    except expat.ExpatError as error:
        raise CytopipeError(
            f"this is no whole XML: {expat.ErrorString(error.code)}",
            where=f"{path}:{error.lineno}:{error.offset + 1}",
            hint=_AGAIN,
        ) from None
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise CytopipeError(f"this is no XML that can be read: {error}", where=path, hint=_AGAIN) from None


def listed(value: object, what: str, where: str) -> list[Any]:
    """A list of a JSON file; an absent one is empty.

    Raises:
        CytopipeError: it is something else.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise CytopipeError(f"{what} is no list", where=where, hint=_AGAIN)
    return value


def mapped(value: object, what: str, where: str) -> dict[str, Any]:
    """An object of a JSON file; an absent one is empty.

    Raises:
        CytopipeError: it is something else.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise CytopipeError(f"{what} is no object", where=where, hint=_AGAIN)
    return value


def whole(value: object, what: str, where: str, least: int = 0) -> int:
    """A whole number of at least `least`, given as number or text.

    Raises:
        CytopipeError: it is none, or an absurd one.
    """
    try:
        found = float(value)  # type: ignore[arg-type]  # whatever a file holds
        if not isinstance(value, bool) and found == int(found) and least <= found <= 1e9:
            return int(found)
    except (TypeError, ValueError, OverflowError):
        pass
    raise CytopipeError(f"{what} is {str(value)[:40]!r}, no number that it can be", where=where, hint=_AGAIN)
