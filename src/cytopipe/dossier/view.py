"""The dossier as HTML: facts of one topic become tables with a row for each subject and a column for each value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cytopipe.dossier.build import STATUSES, FilledChecklist, Topic
from cytopipe.dossier.facts import Fact
from cytopipe.dossier.project import Project
from cytopipe.report.provenance import versions
from cytopipe.report.render import TEMPLATES as REPORT_TEMPLATES
from cytopipe.report.render import sentence

TEMPLATES = Path(__file__).parent / "templates"
MOST_COLUMNS = 6  # of one table; the next ones go below
LONG = 44  # characters from which a value has a row of its own


@dataclass(frozen=True)
class Column:
    """One value of each subject, and where it is in the files: `*` stands for the subject's name."""

    label: str
    place: str


@dataclass(frozen=True)
class Table:
    """Values in columns: a row for each subject, with the cells of its columns and the files that hold them."""

    columns: Sequence[Column]
    rows: Sequence[tuple[str, Sequence[Fact | None], Sequence[str]]]


def tables(topic: Topic) -> list[Table]:
    """The facts of a topic as tables, those with short values in at most MOST_COLUMNS columns."""
    by_column: dict[tuple[str, str, str], dict[str, Fact]] = {}
    for fact in topic.facts:
        # Values of one file in one table, so that each row names one file.
        kind = _without_subject(fact.file.as_posix(), fact.subject)
        by_column.setdefault((kind, fact.label, _without_subject(fact.place, fact.subject)), {})[fact.subject] = fact
    by_file: dict[str, list[tuple[Column, dict[str, Fact]]]] = {}
    for (kind, label, place), cells in by_column.items():
        by_file.setdefault(kind, []).append((Column(label, place), cells))
    return [_table(part) for columns in by_file.values() for part in _parts(columns)]


def _without_subject(text: str, subject: str) -> str:
    parts = text.replace("/", " / ").replace(".", " . ").split(" ")
    return "".join("*" if subject and part == subject else part for part in parts)


def _parts(columns: list[tuple[Column, dict[str, Fact]]]) -> Iterator[list[tuple[Column, dict[str, Fact]]]]:
    """Columns that fit beside each other; a long text counts as three."""
    part: list[tuple[Column, dict[str, Fact]]] = []
    width = 0
    for column in columns:
        needed = 3 if any(len(fact.text) > LONG for fact in column[1].values()) else 1
        if part and width + needed > MOST_COLUMNS:
            yield part
            part, width = [], 0
        part.append(column)
        width += needed
    if part:
        yield part


def _table(columns: list[tuple[Column, dict[str, Fact]]]) -> Table:
    subjects = dict.fromkeys(subject for _, cells in columns for subject in cells)
    rows = []
    for subject in subjects:
        cells = [found.get(subject) for _, found in columns]
        files = list(dict.fromkeys(cell.file.as_posix() for cell in cells if cell))
        rows.append((subject, cells, files))
    return Table([column for column, _ in columns], rows)


def html(project: Project, filled: Sequence[FilledChecklist]) -> str:
    """The page; it needs no other file and no network, and holds no time, host or absolute path."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["sentence"] = sentence
    style = (REPORT_TEMPLATES / "style.css", TEMPLATES / "dossier.css")
    return environment.get_template("dossier.html.j2").render(
        filled=filled,
        statuses=STATUSES,
        tables=tables,
        style=Markup("\n".join(path.read_text(encoding="utf-8") for path in style)),
        datasets=[one.name for one in project.datasets],
        classifiers=[one.name for one in project.classifiers],
        commit=project.commit(),
        version=versions().get("cytopipe", ""),
    )
