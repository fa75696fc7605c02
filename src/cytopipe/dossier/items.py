"""The items of the reporting guidelines, from `checklists/*.yaml`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from cytopipe.core.params.section import Section
from cytopipe.core.params.text import read_yaml

FOLDER = Path(__file__).parent / "checklists"
NAMES = ("claim", "tripod")


class Item(Section):
    """One item, or a part of one.

    Attributes:
        id: number in its guideline, such as 12a.
        section: heading that it stands under.
        title: short, in words of our own.
        applies: D (development), E (evaluation) or both; empty if the guideline does not say.
        whole: whether the run alone answers it, where it has such results.
        sources: names of the resolvers that answer it, in the order in which they are shown.
        write: what the author must write; empty if the run always answers it.
    """

    id: str
    section: str
    title: str
    applies: str = ""
    whole: bool = False
    sources: tuple[str, ...] = Field((), alias="from")
    write: str = ""

    @property
    def main(self) -> str:
        """The number without the letter of a part."""
        return self.id.rstrip("abcdefghijklmnopqrstuvwxyz")

    @model_validator(mode="before")
    @classmethod
    def _suggest_the_nearest_key(cls, data: object) -> object:
        return data  # `from` is an alias; `extra` refuses unknown keys

    @model_validator(mode="after")
    def _says_what_to_write(self) -> Item:
        if not self.write and not (self.whole and self.sources):
            raise PydanticCustomError("write", "item {id} must say what to write", {"id": self.id})
        return self


class Checklist(Section):
    """A reporting guideline: its paper, a note on the wording of the items, and the items in their order."""

    name: str
    title: str
    citation: str
    doi: str
    wording: str
    main_items: int
    prefix: str
    items: tuple[Item, ...]

    def key(self, item: Item) -> str:
        """Id of an item among those of all guidelines, such as tripod-12a."""
        return f"{self.prefix}-{item.id}"


@cache
def checklists() -> tuple[Checklist, ...]:
    """All guidelines."""
    return tuple(Checklist.model_validate(read_yaml(FOLDER / f"{name}.yaml")) for name in NAMES)
