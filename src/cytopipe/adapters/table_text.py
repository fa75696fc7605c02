"""Tables of text: their encoding, their separator, and their rows with the line that each begins in."""

from __future__ import annotations

import codecs
import csv
import io
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cytopipe.errors import CytopipeError

logger = logging.getLogger("cytopipe")
Record = tuple[int, list[str]]  # the line that a row begins in, counted from 1, and its values, stripped

SEPARATORS = (",", ";", "\t", "|")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEP_LINE = re.compile(r'"?sep=(\\t|[^\r\n])"?[ ,;\t]*(?:\r\n|\n|\r)', re.IGNORECASE)
# Western European words rarely have three accented letters in a row; texts in other 8-bit encodings consist of them.
_RUN = re.compile(rb"[\x80-\xff]{3,}")
_KEPT_AS_TEXT = re.compile(r'="(.*)"|\'(\d+)', re.DOTALL)  # how people keep Excel from changing an id


def decode(data: bytes, path: Path, encoding: str | None = None) -> str:
    """The text of a table: in the given encoding, else in Unicode, else in Windows-1252, which is logged.

    Raises:
        CytopipeError: for an unknown or wrong encoding, and for text that is neither Unicode nor plausibly Western
            European.
    """
    if encoding:
        return _decode_as(data, path, encoding)
    for mark, unicode in _BOMS:
        if data.startswith(mark):
            return _decode_as(data, path, unicode).removeprefix("\ufeff")
    if (name := _utf16_without_mark(data)) is not None:
        return _decode_as(data, path, name)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _western(data, path)


def _decode_as(data: bytes, path: Path, encoding: str) -> str:
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except LookupError:
        raise CytopipeError(
            f"no encoding is called '{encoding}'", where=path, hint="use utf-8, cp1252, cp1251, gbk, cp932, ..."
        ) from None
    except ValueError as error:
        raise CytopipeError(
            f"the text is not in {encoding} ({getattr(error, 'reason', error)})",
            where=path,
            hint="save the table as CSV UTF-8, or name its encoding in options.csv_encoding",
        ) from None


def _utf16_without_mark(data: bytes) -> str | None:
    """Half of the bytes of Latin text in UTF-16 are zero: the second of each pair, or the first."""
    head = data[:4096]
    if head.count(0) < len(head) // 4 or not head.count(0):
        return None
    return "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"


def _western(data: bytes, path: Path) -> str:
    hint = "save the table as CSV UTF-8, or name its encoding in options.csv_encoding (cp1252, cp1251, gbk, cp932, ...)"
    if run := _RUN.search(data):
        line = len(re.findall(rb"\r\n|\r|\n", data[: run.start()])) + 1
        raise CytopipeError("not UTF-8 text, and the encoding is not known", where=f"{path}:{line}", hint=hint)
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError as error:
        raise CytopipeError(f"not UTF-8 text, nor Windows-1252 ({error.reason})", where=path, hint=hint) from None
    first = next(re.finditer(r"[^,;\t|\r\n\"]*[^\x00-\x7f][^,;\t|\r\n\"]*", text))[0].strip()
    logger.warning(
        "%s: not UTF-8, read as Windows-1252 (cp1252); is this right: '%s'? Else name the encoding in "
        "options.csv_encoding",
        *(path, first),
    )
    return text


def records(text: str, path: Path, columns: Sequence[str] = ()) -> list[Record]:
    """All rows of a table of text; its separator is named by a first line `sep=`, or found by the header.

    Args:
        text: the table.
        path: of the table, for errors.
        columns: names of which the header should hold as many as possible.

    Raises:
        CytopipeError: for quotes that do not match.
    """
    named = _SEP_LINE.match(text)
    if not named:
        return _unwrapped(list(_parsed(text, path, _separator(text, columns), 0)), path, columns)
    separator = "\t" if named[1] == "\\t" else named[1]
    return list(_parsed(text[named.end() :], path, separator, 1))


def _separator(text: str, columns: Sequence[str]) -> str:
    """That under which the first row holds most of the columns; of several, that with most values."""

    def fit(separator: str) -> tuple[int, int]:
        try:
            first: list[str] = next((row for row in _reader(text, separator) if any(map(str.strip, row))), [])
        except csv.Error:
            return 0, 0
        names = {value.strip().casefold() for value in first}
        return sum(name.casefold() in names for name in columns), len(first)

    return max(SEPARATORS, key=fit)


def _unwrapped(found: list[Record], path: Path, columns: Sequence[str]) -> list[Record]:
    """Rows that each stand in quotes as a whole, as programs save a table that they did not divide into columns."""
    header = next((row[0] for _, row in found if any(row)), "")
    if any(len(row) > 1 for _, row in found) or not any(separator in header for separator in SEPARATORS):
        return found
    separator = _separator(header, columns)
    rows = ((line, list(_parsed("".join(row), path, separator, line - 1))) for line, row in found)
    return [(line, inner[0][1] if inner else []) for line, inner in rows]


def _reader(text: str, separator: str) -> Any:
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)


def _parsed(text: str, path: Path, separator: str, skipped: int) -> Iterator[Record]:
    text = text.rstrip("\x1a")  # the end mark of old programs for DOS
    reader = _reader(text, separator)
    begins = skipped + 1
    try:
        for row in reader:
            yield begins, [_plain(value) for value in row]
            begins = skipped + reader.line_num + 1
    except csv.Error as error:
        raise CytopipeError(f"not a CSV: {error}", where=f"{path}:{begins}", hint="check the quotes") from None


def _plain(value: str) -> str:
    stripped = value.strip().strip("\ufeff\u200b")
    kept = _KEPT_AS_TEXT.fullmatch(stripped)
    return stripped if kept is None else (kept[1] if kept[1] is not None else kept[2]).strip()
