"""Attributes of images, such as site, scanner and age: columns of a table, joined by the image's name or its group."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from cytopipe.adapters.alike import alike, nearest
from cytopipe.adapters.base import Adapter, Options, Sample
from cytopipe.adapters.names import ImageNames
from cytopipe.adapters.tables import Row, columns_of, read_table
from cytopipe.errors import CytopipeError

logger = logging.getLogger("cytopipe")
Finder = Callable[[str, str], Sequence[int]]  # (value, line of the table) -> the samples that it means


def with_attributes(samples: Sequence[Sample], raw: Path, source: Adapter, options: Options, key: str) -> list[Sample]:
    """The samples with a value of every attribute, as it is written; empty where the table has none.

    A reader that knows the row or the folder of an image has given its attributes already. What is left is looked up in
    `options.attributes_table`, else in the table that the adapter reads.

    Args:
        samples: as the adapter reads them.
        raw: folder with the publisher's files.
        source: the adapter.
        options: its options.
        key: where the options stand, for errors.

    Raises:
        CytopipeError: there is no table, or none with such a column; no column names the images or groups; or an image
            or a group has several values of one attribute.
    """
    names = [name for name in options.attributes if any(name not in sample.attributes for sample in samples)]
    if not names:
        return list(samples)
    tables = source.read_tables(raw, options.model_dump(), key)
    if not tables:
        raise CytopipeError(
            f"there is no table with the attribute{'s' if len(names) > 1 else ''} {', '.join(map(repr, names))}",
            where=f"{key}.attributes",
            hint="name the table in options.attributes_table",
        )
    table = tables[-1]
    header = columns_of(table)
    refuse_unknown_columns(table, header, names, f"{key}.attributes")
    rows = list(read_table(table, names))
    column, find = _key_column(samples, raw, table, rows, names, options, key)
    found: dict[int, dict[str, str]] = defaultdict(dict)
    said: dict[tuple[int, str], int] = {}
    idle = 0
    for line, row in rows:
        meant = find(row[column], f"{table}:{line}") if row[column] else ()
        idle += not meant
        for place in meant:
            for name in names:
                before = found[place].setdefault(name, row[name])
                first = said.setdefault((place, name), line)
                if before != row[name]:
                    raise CytopipeError(
                        f"'{row[column]}' has two values of '{name}': '{before}' in line {first} and '{row[name]}'",
                        where=f"{table}:{line}",
                        hint="correct one of them; an attribute has one value for an image",
                    )
    lacking = len(samples) - len(found)
    if idle or lacking:
        logger.info("%s: %d rows mean no image, %d images have no row (unknown)", table, idle, lacking)
    empty = dict.fromkeys(options.attributes, "")
    return [
        replace(sample, attributes={**empty, **sample.attributes, **found[place]})
        for place, sample in enumerate(samples)
    ]


def refuse_unknown_columns(table: Path, header: Sequence[str], names: Iterable[str], where: str) -> None:
    """Raise CytopipeError for an attribute that is no column of a table; it names the nearest."""
    known = {alike(column) for column in header}
    for name in names:
        if alike(name) not in known:
            near = nearest(name, header, 1, 0.7)
            raise CytopipeError(
                f"{table.name} has no column '{name}'" + (f"; did you mean '{near[0]}'?" if near else ""),
                where=where,
                hint=f"it has {', '.join(map(repr, header))}",
            )


def _key_column(
    samples: Sequence[Sample],
    raw: Path,
    table: Path,
    rows: Sequence[Row],
    names: Sequence[str],
    options: Options,
    key: str,
) -> tuple[str, Finder]:
    """The column that names images or groups, and how its values find samples."""
    header = list(rows[0][1]) if rows else []
    columns = [name for name in header if name and name not in names]
    if options.attributes_by is not None:
        refuse_unknown_columns(table, header, [options.attributes_by], f"{key}.attributes_by")
        columns = [name for name in header if alike(name) == alike(options.attributes_by)][:1]
    finders = (_by_group(samples), _by_image(samples, raw))
    best: tuple[int, str, Finder] | None = None
    for column in columns:
        for find in finders:
            reached = len({place for _, row in rows for place in _quietly(find, row[column])})
            if reached and (best is None or reached > best[0]):
                best = (reached, column, find)
    if best is None:
        raise CytopipeError(
            f"no column of {table.name} names the images or their groups",
            where=f"{key}.attributes_table",
            hint=f"name it in options.attributes_by; groups are called as '{samples[0].group}', images as "
            f"'{samples[0].image.name}'",
        )
    logger.info("%s: the column '%s' names %d of %d images", table, best[1], best[0], len(samples))
    return best[1], best[2]


def _quietly(find: Finder, value: str) -> Sequence[int]:
    """What a value means; nothing for one that can mean several images."""
    try:
        return find(value, "") if value else ()
    except CytopipeError:
        return ()


def _by_group(samples: Sequence[Sample]) -> Finder:
    exact, loose = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    for place, sample in enumerate(samples):
        exact[sample.group].append(place)
        loose[alike(sample.group)].append(place)

    def find(value: str, where: str) -> Sequence[int]:
        return exact.get(value) or loose.get(alike(value), [])

    return find


def _by_image(samples: Sequence[Sample], raw: Path) -> Finder:
    places = defaultdict[str, list[int]](list)  # an image may hold several cells
    for place, sample in enumerate(samples):
        places[sample.image.relative_to(raw).as_posix()].append(place)
    images = ImageNames(places, raw)

    def find(value: str, where: str) -> Sequence[int]:
        name = images.find(value, where)
        return () if name is None else places[name]

    return find
