"""The dossier as HTML: facts of one topic become tables with a row for each subject and a column for each value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cytopipe import paths
from cytopipe.dossier.build import STATUSES, FilledChecklist, Topic
from cytopipe.dossier.facts import Fact
from cytopipe.dossier.project import Project
from cytopipe.report.provenance import versions
from cytopipe.report.render import TEMPLATES as REPORT_TEMPLATES
from cytopipe.report.render import sentence

TEMPLATES = Path(__file__).parent / "templates"
CHARACTERS = 100  # of a row of values, beside the subject and the file
NARROW, WIDE = 14, 33  # characters of a column
MODELS = ("segmenters", "classifiers")  # folders whose models share a table


@dataclass(frozen=True)
class Column:
    """One value of each subject, and where it is in the files: `*` stands for what differs from row to row."""

    label: str
    place: tuple[str, ...]
    width: int  # characters


@dataclass(frozen=True)
class Table:
    """Values in columns: a row for each subject, with the cells of its columns and the files that hold them."""

    columns: Sequence[Column]
    rows: Sequence[tuple[str, Sequence[Fact | None], Sequence[str]]]

    @property
    def start(self) -> tuple[str, ...]:
        """What the places of all columns begin with; empty for a single column."""
        places = [column.place[:-1] for column in self.columns]
        same = [len(set(parts)) == 1 for parts in zip(*places, strict=False)]
        return places[0][: [*same, False].index(False)] if len(places) > 1 else ()

    @property
    def shares(self) -> list[float]:
        """The width of each column, as a share of all that is there for values."""
        whole = sum(column.width for column in self.columns)
        return [column.width / whole for column in self.columns]


Cells = dict[str, Fact]  # by subject


def tables(topic: Topic) -> list[Table]:
    """The facts of a topic as tables, as many columns in each as fit."""
    groups: dict[tuple[str, str, int], Cells] = {}
    for fact in topic.facts:
        groups.setdefault((_kind(fact), fact.label, len(fact.key)), {})[fact.subject] = fact
    by_file: dict[str, list[tuple[Column, Cells]]] = {}
    for (kind, _, _), cells in groups.items():
        by_file.setdefault(kind, []).append((_column(cells), cells))
    return [_table(part) for columns in by_file.values() for part in _parts(columns)]


def _kind(fact: Fact) -> str:
    """What tables are made by: the file, of whatever subject, so that each row names one; all facts without a key."""
    if not fact.key:
        return ""
    names = fact.subject.split(", ")
    parts = ["*" if part in names or Path(part).stem.rpartition("@")[2] in names else part for part in fact.file.parts]
    if fact.file == paths.PARAMS:
        return f"{parts[0]}: {fact.key[0]}"
    return "/".join("models" if part in MODELS else part for part in parts)


def _column(cells: Cells) -> Column:
    facts = list(cells.values())
    keys = zip(*(one.key for one in facts), strict=True)
    place = tuple(parts[0] if len(set(parts)) == 1 else "*" for parts in keys)
    texts = [len(fact.text) + len(" (default)") * fact.default for fact in facts]
    words = [len(word) for text in (facts[0].label, *(fact.text for fact in facts)) for word in text.split()]
    return Column(facts[0].label, place, min(max(*texts, *words, *(len(one) for one in place[-1:]), NARROW), WIDE))


def _parts(columns: list[tuple[Column, Cells]]) -> Iterator[list[tuple[Column, Cells]]]:
    """Columns that fit beside each other."""
    part: list[tuple[Column, Cells]] = []
    for column in columns:
        if part and sum(one.width for one, _ in part) + column[0].width > CHARACTERS:
            yield part
            part = []
        part.append(column)
    if part:
        yield part


def _table(columns: list[tuple[Column, Cells]]) -> Table:
    subjects = dict.fromkeys(subject for _, cells in columns for subject in cells)
    rows = []
    for subject in subjects:
        cells = [found.get(subject) for _, found in columns]
        files = list(dict.fromkeys(cell.file.as_posix() for cell in cells if cell))
        rows.append((subject, cells, files))
    return Table([column for column, _ in columns], rows)


def breakable(text: str) -> Markup:
    """A path or a key that a line may end in after each of its parts."""
    for mark in "/.":
        text = Markup(f"{mark}<wbr>").join(text.split(mark))
    return Markup(text)


def html(project: Project, filled: Sequence[FilledChecklist]) -> str:
    """The page; it needs no other file and no network, and holds no time, host or absolute path."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"sentence": sentence, "breakable": breakable}
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
