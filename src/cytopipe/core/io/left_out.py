"""Files that are not used, counted by reason: none is left out without a word."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cytopipe.core.io.atomic import write_json
from cytopipe.errors import CytopipeError


@dataclass
class LeftOut:
    """Numbers of files by reason, with the first of each.

    Attributes:
        counts: number of files by reason.
        first: a file by reason, the first in the order of their paths.
    """

    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, reasons: Mapping[str, str]) -> LeftOut:
        """Count files, given the reason of each."""
        found = cls()
        for name, reason in reasons.items():
            found.add(reason, name)
        return found

    def add(self, reason: str, name: str, count: int = 1) -> None:
        """Count one file more, or several of which this is the first."""
        self.counts[reason] = self.counts.get(reason, 0) + count
        self.first[reason] = min(self.first.get(reason, name), name)

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.counts)

    def __add__(self, other: LeftOut) -> LeftOut:
        """Both together."""
        both = LeftOut(dict(self.counts), dict(self.first))
        for reason, count in other.counts.items():
            both.add(reason, other.first[reason], count)
        return both

    @property
    def total(self) -> int:
        """Number of files."""
        return sum(self.counts.values())

    @property
    def plain(self) -> dict[str, dict[str, int | str]]:
        """As in JSON: `{reason: {"count": n, "first": path}}`, sorted by reason."""
        return {reason: {"count": self.counts[reason], "first": self.first[reason]} for reason in sorted(self.counts)}

    def __str__(self) -> str:
        """In words, the most frequent reason first: `3 x litter of macOS (first: a/.DS_Store); 1 x ...`."""
        reasons = sorted(self.counts, key=lambda reason: (-self.counts[reason], reason))
        return "; ".join(f"{self.counts[reason]:,} x {reason} (first: {self.first[reason]})" for reason in reasons)

    def holds(self, reasons: Iterable[str]) -> bool:
        """Whether a file was left out for one of these reasons."""
        return any(reason in self.counts for reason in reasons)

    def write(self, path: Path) -> None:
        """Write as JSON."""
        write_json(path, self.plain)

    @classmethod
    def read(cls, path: Path) -> LeftOut:
        """Read what `write` wrote; nothing if there is no such file, because nothing was left out.

        Raises:
            CytopipeError: for a file that is not of this kind.
        """
        found = cls()
        if not path.exists():
            return found
        try:
            for reason, entry in json.loads(path.read_text(encoding="utf-8")).items():
                found.add(reason, str(entry["first"]), int(entry["count"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CytopipeError(f"not a count of files ({error})", where=path, hint="rerun download") from None
        return found
