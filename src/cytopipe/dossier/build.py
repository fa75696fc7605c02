"""Filling the checklists: each item with the facts of its resolvers, the author's answer, or what is still to write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cytopipe.dossier.answers import ANSWERS, read_answers
from cytopipe.dossier.facts import Fact
from cytopipe.dossier.items import Checklist, Item, checklists
from cytopipe.dossier.project import Project
from cytopipe.dossier.resolvers import RESOLVERS, Resolver

Status = Literal["run", "part", "author", "open"]
STATUSES: Mapping[Status, str] = {
    "run": "from this run",
    "part": "in part from this run",
    "author": "by the author",
    "open": "not reported",
}


@dataclass(frozen=True)
class Topic:
    """The facts of one resolver."""

    resolver: Resolver
    facts: Sequence[Fact]


@dataclass(frozen=True)
class FilledItem:
    """An item with what answers it; `key` is its id among the items of all guidelines."""

    key: str
    item: Item
    topics: Sequence[Topic]
    answer: str

    @property
    def status(self) -> Status:
        """Who answers it: the run, the run in part, the author (with or without the run), or nobody."""
        if self.topics and self.item.whole:
            return "run"
        if self.answer:
            return "author"
        return "part" if self.topics else "open"

    @property
    def to_write(self) -> str:
        """What the author must still write; empty if nothing."""
        return self.item.write if self.status in ("part", "open") else ""


@dataclass(frozen=True)
class FilledChecklist:
    """A guideline with its filled items."""

    checklist: Checklist
    items: Sequence[FilledItem]

    @property
    def sections(self) -> dict[str, list[FilledItem]]:
        """The items by the heading that they stand under; a heading that comes twice has them all."""
        found: dict[str, list[FilledItem]] = {}
        for item in self.items:
            found.setdefault(item.item.section, []).append(item)
        return found

    def count(self, status: Status) -> int:
        """Number of items with this status."""
        return sum(item.status == status for item in self.items)


def fill(project: Project) -> list[FilledChecklist]:
    """Fill every checklist from a finished project and the author's answers in dossier.yaml.

    Raises:
        CytopipeError: if a file of the run is damaged, or dossier.yaml is not valid.
    """
    known = [checklist.key(item) for checklist in checklists() for item in checklist.items]
    answers = read_answers(ANSWERS, known)
    topics = {name: Topic(one, list(one.facts(project))) for name, one in RESOLVERS.items()}
    return [
        FilledChecklist(
            checklist,
            [
                FilledItem(
                    checklist.key(item),
                    item,
                    [topics[name] for name in item.sources if topics[name].facts],
                    answers.get(checklist.key(item), ""),
                )
                for item in checklist.items
            ],
        )
        for checklist in checklists()
    ]
