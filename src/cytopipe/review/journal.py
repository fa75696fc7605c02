"""What undo needs: every answer with the row that it replaced, a line each; a line that a crash cut off is ignored."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

Row = dict[str, str]


@dataclass(frozen=True)
class Entry:
    """An answer.

    Attributes:
        id: of the item.
        reviewer: who gave it.
        before, after: its rows in the table; None: it had none.
        skipped: whether it was put off instead of answered.
    """

    id: str
    reviewer: str
    before: Row | None
    after: Row | None
    skipped: bool = False


class Journal:
    """The journal of a table. Hold the table's lock.

    Args:
        path: of the file, one JSON object a line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, entry: Entry) -> None:
        """Add an answer."""
        self._append(asdict(entry))

    def take_back(self, entry: Entry) -> None:
        """Note that the last answer equal to this one was taken back."""
        self._append({"undo": entry.id, "reviewer": entry.reviewer})

    def last(self, reviewer: str) -> Entry | None:
        """The last answer of a reviewer that was not taken back."""
        return next((one for one in reversed(self.standing()) if one.reviewer == reviewer), None)

    def skipped(self) -> set[str]:
        """Ids whose last entry puts them off."""
        found = dict[str, bool]()
        for one in self.standing():
            found[one.id] = one.skipped
        return {identity for identity, put_off in found.items() if put_off}

    def standing(self) -> list[Entry]:
        """The answers that were not taken back, in their order."""
        found: list[Entry] = []
        for line in self._lines():
            if "undo" not in line:
                found.append(Entry(**line))  # type: ignore[arg-type]  # checked in _lines
                continue
            same = [
                place for place, one in enumerate(found) if (one.id, one.reviewer) == (line["undo"], line["reviewer"])
            ]
            if same:
                del found[same[-1]]
        return found

    def _lines(self) -> Iterator[dict[str, object]]:
        if not self.path.is_file():
            return
        names = set(Entry.__dataclass_fields__)
        for text in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                continue
            if isinstance(line, dict) and (set(line) == names or set(line) == {"undo", "reviewer"}):
                yield line

    def _append(self, value: dict[str, object]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        whole = not self.path.is_file() or self.path.read_bytes()[-1:] in (b"", b"\n")
        with self.path.open("a", encoding="utf-8") as file:
            file.write(("" if whole else "\n") + json.dumps(value, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
