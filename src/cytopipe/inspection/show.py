"""What was seen, as text for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cytopipe.inspection.seen import Fit, Pictures, Seen, Table
from cytopipe.inspection.write_options import options_as_yaml


def show(seen: Seen) -> str:
    """A page of text: what is there, what fits, and what has to be decided."""
    parts = [
        f"{seen.source}: {seen.files} files, {seen.pictures.count} images"
        + (f", all in {seen.home}/" if seen.home != "." else ""),
        _part("a known layout", [f"{title}: `cytopipe preset {preset}` reads it" for preset, title in seen.known]),
        _part("folders", seen.tree),
        _part("images", _pictures(seen.pictures)),
        _part("masks", _masks(seen)),
        _part("tables", (line for table in seen.tables for line in _table(table))),
        _part(
            "groups",
            (
                f"{group.option}: {group.value}  gives {group.groups} groups: {', '.join(group.examples)}, ..."
                for group in seen.groups
            )
            if seen.groups
            else ["none found: nothing names a patient, slide or case"],
        ),
        _part(
            "other files", (f"{reason}: {count}{f', first {path}' if path else ''}" for reason, count, path in seen.odd)
        ),
        _part("what fits", _fit(seen.fit)),
        _part("to decide", seen.fit.unclear),
    ]
    return "\n\n".join(part for part in parts if part)


def _part(title: str, lines: Iterator[str] | tuple[str, ...] | list[str]) -> str:
    content = [f"  {line}" for text in lines for line in text.splitlines()]
    return "\n".join([title, *content]) if content else ""


def _pictures(pictures: Pictures) -> Iterator[str]:
    if not pictures.count:
        return
    yield _counted(pictures.suffixes)
    if pictures.looked_at < pictures.count:
        yield f"of {pictures.looked_at} of them:"
    if any(pictures.width):
        yield f"width {_range(pictures.width)} px, height {_range(pictures.height)} px"
        yield _counted(pictures.modes)
    for path, reason in pictures.unreadable[:5]:
        yield f"not readable: {path}: {reason}"
    if len(pictures.unreadable) > 5:
        yield f"not readable: {len(pictures.unreadable) - 5} more"


def _masks(seen: Seen) -> Iterator[str]:
    if seen.masks.files:
        values = ", ".join(map(str, seen.masks.values[:16]))
        yield f"{seen.masks.files} files{' in ' + ', '.join(seen.masks.folders[:4]) if seen.masks.folders else ''}"
        yield f"values {values}{', ...' if len(seen.masks.values) > 16 else ''}"


def _odd(seen: Seen) -> Iterator[str]:
    for reason, count, first in seen.odd:
        yield f"{reason}: {count}" + (f", first {first}" if first else "")


def _table(table: Table) -> Iterator[str]:
    if table.fault:
        yield f"{table.path}: cannot be read: {table.fault}"
        return
    named = f", naming {table.named} images below {table.images}" if table.named else ""
    yield f"{table.path}: {table.rows} rows{named}"
    for column in table.columns:
        role = f"  <- {column.role}" if column.role else ""
        yield f"  {column.name}: {column.distinct} different ({', '.join(column.examples)}){role}"


def _fit(fit: Fit) -> Iterator[str]:
    if fit.classes:
        yield f"classes: {_counted(fit.classes)}"
        if fit.splits:
            yield f"splits: {_counted(fit.splits)}"
        yield f"groups: {fit.groups}" if fit.groups else "groups: none known, each image counts as its own"
    yield from options_as_yaml(fit).splitlines()
    yield f"split.kind: {fit.split}" + (f"  ({fit.why['split.kind']})" if "split.kind" in fit.why else "")


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _range(values: tuple[int, int, int]) -> str:
    return str(values[0]) if values[0] == values[2] else f"{values[0]} to {values[2]} (median {values[1]})"
