"""What an item of a checklist rests on: a value of this run, and the file and key that hold it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cytopipe.dossier.words import shown as in_words

Key = tuple[str, ...]


@dataclass(frozen=True)
class Fact:
    """One value.

    Attributes:
        subject: the dataset, model or file that it is about; empty for the project.
        label: what it is.
        value: as the file holds it, or as it is counted in a table.
        file: relative to the project's root.
        key: where in the file: keys and places of lists from the outside in; names of columns in a table.
        text: the value as people read it.
        default: whether the file lacks the key, so that the value is the default.
    """

    subject: str
    label: str
    value: Any
    file: Path
    key: Key
    text: str
    default: bool = False

    @property
    def place(self) -> str:
        """The key as text."""
        return ".".join(self.key)


@dataclass(frozen=True)
class Source:
    """The content of one file, as its reader gives it, and whom it is about."""

    subject: str
    file: Path
    content: Any

    def fact(self, label: str, *key: str, text: str | None = None) -> list[Fact]:
        """The value at a key as a list of one fact; of none where the file has no such value.

        Args:
            label: what the value is.
            key: keys and places of lists, from the outside in.
            text: how it is shown; by default in the words of `words.shown`.
        """
        value = look_up(self.content, key)
        if value is None:
            return []
        return [Fact(self.subject, label, value, self.file, key, in_words(value) if text is None else text)]

    def all(self, labels: Mapping[str, Key]) -> list[Fact]:
        """The values at several keys, without those that the file does not have."""
        return [fact for label, key in labels.items() for fact in self.fact(label, *key)]

    def counted(self, label: str, value: Any, *columns: str, text: str | None = None) -> list[Fact]:
        """A value that was counted in the columns of this table."""
        return [Fact(self.subject, label, value, self.file, columns, in_words(value) if text is None else text)]


def look_up(content: Any, key: Sequence[str]) -> Any:
    """The value at a key; None where there is none."""
    for part in key:
        if isinstance(content, Mapping):
            content = content.get(part)
        elif isinstance(content, list | tuple) and part.isdecimal() and int(part) < len(content):
            content = content[int(part)]
        else:
            return None
    return content
