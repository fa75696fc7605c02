"""The answers of reviewers: rows of a table of corrections, each on the disk before the next question is asked.

The table is the only truth: it is read again, under a lock, for every answer, so that two reviewers, or a reviewer
and a spreadsheet, lose nothing. Files that a row names are written before it under names of their content, so that the
renaming of the table is the one moment in which an answer comes to be. A journal keeps what undo needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cytopipe import paths
from cytopipe.adapters.tables import read_table
from cytopipe.core.io.atomic import write_bytes
from cytopipe.core.io.hashing import sha256_bytes
from cytopipe.core.io.locks import StageLock
from cytopipe.core.io.tables import table_bytes
from cytopipe.data.corrections import COLUMNS, FURTHER, LEAVE_OUT
from cytopipe.data.imaging.masks import NUCLEUS, encode_mask, read_mask
from cytopipe.errors import CytopipeError
from cytopipe.review.items import Item
from cytopipe.review.journal import Entry, Journal

Row = dict[str, str]
WAIT = 10.0  # seconds for another reviewer's answer to be written
LONGEST_NOTE = 200
_OURS = re.compile(r".+\.(mask|cell)-[0-9a-f]{10}\.png")  # names that `_store` gives


class ChangedError(CytopipeError):
    """Another reviewer has answered meanwhile; `row` is what the table says now."""

    def __init__(self, row: Row | None) -> None:
        said = f"'{row['label']}' ({row['reason']})" if row else "no answer any more"
        super().__init__(f"another reviewer has answered meanwhile: {said}", hint="look again, and answer once more")
        self.row = row


@dataclass(frozen=True)
class Answer:
    """What a reviewer says of an item.

    Attributes:
        label: a class, or LEAVE_OUT.
        reviewer: who says it.
        note: why; may be empty.
        mask: corrected outlines, H x W uint8 palette; None leaves them.
    """

    label: str
    reviewer: str
    note: str = ""
    mask: np.ndarray | None = None

    @property
    def reason(self) -> str:
        """The column `reason`, on one line."""
        who = " ".join(self.reviewer.split()) or "a reviewer"
        note = " ".join(self.note.split())[:LONGEST_NOTE]
        return f"{who}: {note}" if note else f"reviewed by {who}"


class Answers:
    """A table of corrections that reviewers write.

    Args:
        table: a CSV directly below the folder of corrections; it may not exist yet.
        classes: that may be named.
        aliases: ids by the publisher's file, by which rows may name images.

    Raises:
        CytopipeError: it lies elsewhere, or is no CSV.
    """

    def __init__(self, table: Path, classes: tuple[str, ...], aliases: Mapping[str, str] | None = None) -> None:
        if table.parent != paths.CORRECTIONS or table.suffix != ".csv" or table.name.startswith("."):
            raise CytopipeError(
                f"'{table}' is no CSV in {paths.CORRECTIONS}/, the folder that DVC and Snakemake watch",
                where="--table",
                hint=f"for example {paths.CORRECTIONS / 'mine.csv'}",
            )
        self.table, self.classes, self._aliases = table, classes, dict(aliases or {})
        self.folder = table.with_suffix("")  # of outlines and pictures of new cells
        self._lock = paths.LOCKS / f"review-{table.stem}.lock"
        self.journal = Journal(paths.STATE / "review" / f"{table.stem}.jsonl")
        self.rows()  # a table that cannot be read is said now

    def rows(self) -> dict[str, Row]:
        """The rows of the table by id, in its order.

        Raises:
            CytopipeError: it cannot be read, or an image stands twice, one row of which would be lost.
        """
        if not self.table.is_file():
            return {}
        found: dict[str, Row] = {}
        for line, row in read_table(self.table, COLUMNS):
            identity = self._aliases.get(row["image"], row["image"])
            if identity in found:
                raise CytopipeError(
                    f"the image '{identity}' stands twice", where=f"{self.table}:{line}", hint="keep one of the rows"
                )
            # A column that another row brings makes no other row of this one.
            found[identity] = {name: value for name, value in row.items() if value or name in COLUMNS}
        return found

    def outlines(self, identity: str, size: tuple[int, int]) -> np.ndarray | None:
        """The corrected outlines of an item, H x W uint8 palette; None: there are none of this size."""
        row = self.rows().get(identity)
        path = self.table.parent / row["mask"] if row and row.get("mask") else None
        mask = read_mask(path) if path is not None and path.is_file() else None
        return mask if mask is not None and mask.shape == size else None

    def skipped(self) -> set[str]:
        """Ids that a reviewer has put off."""
        return self.journal.skipped() - set(self.rows())

    def give(self, item: Item, answer: Answer, seen: Row | None) -> Row:
        """Write an answer; when it returns, the answer is on the disk.

        Args:
            item: what was looked at.
            answer: what is said of it.
            seen: the row that the reviewer was shown; None: there was none.

        Returns:
            The row.

        Raises:
            ChangedError: the table says something else of it by now.
            CytopipeError: for an unknown class, an invalid mask, a cell to leave out, or a disk that cannot be written.
        """
        self._check(item, answer)
        with self._locked():
            rows = self.rows()
            before = rows.get(item.id)
            if before != seen:
                raise ChangedError(before)
            row = self._row(item, answer, before)
            self._write(rows | {item.id: row})
            self.journal.add(Entry(item.id, answer.reviewer, before, row))
        return row

    def skip(self, item: Item, reviewer: str) -> None:
        """Put an item off: it comes back when the review starts with `--skipped`."""
        with self._locked():
            row = self.rows().get(item.id)
            self.journal.add(Entry(item.id, reviewer, row, row, skipped=True))

    def undo(self, reviewer: str) -> str:
        """Take back the last answer of a reviewer that was not taken back yet.

        Returns:
            The id of the item.

        Raises:
            ChangedError: another reviewer has answered since.
            CytopipeError: there is nothing to take back.
        """
        with self._locked():
            entry = self.journal.last(reviewer)
            if entry is None:
                raise CytopipeError("there is no answer of yours to take back")
            rows = self.rows()
            if not entry.skipped and rows.get(entry.id) != entry.after:
                self.journal.take_back(entry)
                raise ChangedError(rows.get(entry.id))
            if not entry.skipped:
                self._restore(entry, rows)
            self.journal.take_back(entry)
        return entry.id

    def _restore(self, entry: Entry, rows: dict[str, Row]) -> None:
        if entry.before is None:
            rows.pop(entry.id, None)
        else:
            rows[entry.id] = entry.before
        self._write(rows)
        earlier = [one.before or {} for one in self.journal.standing() if one != entry]
        for name in _files(entry.after) - self._named([*rows.values(), *earlier]):
            (self.table.parent / name).unlink(missing_ok=True)  # after the table, which names no lost file

    def tidy(self) -> None:
        """Remove the files of answers that neither a row nor an answer that may be taken back names."""
        if not self.folder.is_dir():
            return
        with self._locked():
            entries = self.journal.standing()
            named = self._named([*self.rows().values(), *(one.before or {} for one in entries)])
            for path in self.folder.glob("*.png"):
                if _OURS.fullmatch(path.name) and f"{self.folder.name}/{path.name}" not in named:
                    path.unlink()

    @staticmethod
    def _named(rows: Iterable[Row]) -> set[str]:
        return {name for row in rows for name in _files(row)}

    def _check(self, item: Item, answer: Answer) -> None:
        if answer.label not in (*self.classes, LEAVE_OUT):
            raise CytopipeError(f"there is no class '{answer.label}'", hint=", ".join(self.classes))
        if answer.mask is not None:
            if answer.mask.shape != item.picture().shape[:2]:
                raise CytopipeError("the outlines are not of the size of the picture", where=item.id)
            if answer.mask.max(initial=0) > NUCLEUS:
                raise CytopipeError("outlines are background, cytoplasm and nucleus: 0, 1 and 2", where=item.id)

    def _row(self, item: Item, answer: Answer, before: Row | None) -> Row:
        """The row of an answer, whose files are written."""
        old = before or {}
        row = {**old, "image": old.get("image", item.id), "label": answer.label, "reason": answer.reason}
        if answer.mask is not None:
            row["mask"] = self._store(item.id, "mask", encode_mask(answer.mask))
        if item.is_new:
            row |= {"file": self._store(item.id, "cell", item.stored()), "group": item.group}
        return row

    def _store(self, identity: str, kind: str, data: bytes) -> str:
        """Write a file under a name of its content; returns this name, as seen from the table."""
        name = f"{self.folder.name}/{identity}.{kind}-{sha256_bytes(data)[:10]}.png"
        write_bytes(self.table.parent / name, data)
        return name

    def _write(self, rows: Mapping[str, Row]) -> None:
        names = list(COLUMNS)
        for row in rows.values():
            names += [name for name in row if name and name not in names]
        names = [*COLUMNS, *(name for name in FURTHER if name in names), *names[3:]]
        columns = list(dict.fromkeys(names))
        full = [{name: row.get(name, "") for name in columns} for row in rows.values()]
        write_bytes(self.table, table_bytes(full, columns))

    def _locked(self) -> StageLock:
        return StageLock(self._lock, wait=WAIT)


def _files(row: Row | None) -> set[str]:
    return {row[name] for name in ("mask", "file") if row.get(name)} if row else set()
