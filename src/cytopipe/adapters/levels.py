"""What each level of a tree of folders means: the split, the class, the patient; and the option that states it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from pydantic_core import PydanticCustomError

Meaning = Literal["split", "class", "group", "any"]
MEANINGS: tuple[Meaning, ...] = ("split", "class", "group", "any")


def words_of_levels(value: str) -> list[str]:
    """The word for each level, as `options.folders` writes them."""
    return [word.strip().lower() for word in value.strip("/ ").split("/")]


def _meanings(value: str) -> tuple[Meaning, ...]:
    words = words_of_levels(value)
    if unknown := [word for word in words if word not in MEANINGS]:
        raise PydanticCustomError(
            "levels", f"'{unknown[0]}' is none of {', '.join(MEANINGS)}; write one for each level, as split/class/group"
        )
    if twice := [word for word in ("split", "class", "group") if words.count(word) > 1]:
        raise PydanticCustomError("levels", f"'{twice[0]}' stands twice")
    return tuple(meaning for word in words for meaning in MEANINGS if meaning == word)


def levels_with_attributes(value: str, attributes: Sequence[str]) -> tuple[str, dict[str, int]]:
    """The levels in the words of MEANINGS, and the place of each that is an attribute: those are `any`.

    Raises:
        PydanticCustomError: a word is neither, or stands twice.
    """
    named = {name.strip().lower(): name for name in attributes}
    words = words_of_levels(value)
    places = {named[word]: place for place, word in enumerate(words) if word in named and word not in MEANINGS}
    plain = "/".join("any" if place in places.values() else word for place, word in enumerate(words))
    return "/".join(_meanings(plain)), places


def meanings_of(stated: str | None) -> tuple[Meaning, ...]:
    """The meanings that `options.folders` states; empty if it states none."""
    return _meanings(stated) if stated else ()


@dataclass(frozen=True)
class Place:
    """What an image's folders say of it; None where no folder says it."""

    label: str | None
    split: str | None
    group: str | None


@dataclass(frozen=True)
class Levels:
    """The levels of a tree.

    Attributes:
        top: the folders above the first level, which hold every image: an archive's own, for example.
        meanings: of each level below `top`; deeper ones have none.
        names: the distinct folder names of each level, sorted.
        splits: the split that each folder of a split level means.
        notes: sentences on what was decided that may be wrong, for the log.
    """

    top: PurePosixPath
    meanings: tuple[Meaning, ...]
    names: tuple[tuple[str, ...], ...]
    splits: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def stated(self) -> str:
        """The value of `options.folders` that gives this reading."""
        return "/".join(self.meanings)

    def place(self, image: PurePosixPath) -> Place:
        """What the folders of an image say; its path is below the folder that holds `top`."""
        parts = dict(zip(self.meanings, image.parts[len(self.top.parts) :], strict=False))
        split = parts.get("split")
        return Place(parts.get("class"), self.splits[split] if split else None, parts.get("group"))


def listed(names: Sequence[str], most: int = 4) -> str:
    """Some names for a message: `'a', 'b' and 3 more`."""
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
