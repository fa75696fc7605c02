"""What a run logs, kept in the project until MLflow has it all.

A stage need not wait for MLflow, whose import alone takes two seconds, and nothing is lost where MLflow fails or the
process is killed: what lies here is sent by a later stage, or by `cytopipe sync`.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cytopipe.core.io.atomic import write_bytes
from cytopipe.core.pipeline.tracking.process import is_gone

FOLDER = Path(".cytopipe/journal")
PROCESS = "process"  # tag: host, process id and start time
KILLED_NOTE = "The process ended without a word: killed by SIGKILL, or the machine stopped."
_START, _CALLS, _END, _SENT, _FILES = "start.json", "calls.jsonl", "end.json", "run_id", "files"


@dataclass(frozen=True)
class Start:
    """How a run begins: its experiment, name, tags and flat parameters, and the time in milliseconds since 1970."""

    experiment: str
    name: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    time_ms: int


@dataclass(frozen=True)
class End:
    """How a run ended: MLflow's status, and the time in milliseconds since 1970."""

    status: str
    time_ms: int


@dataclass(frozen=True)
class Journal:
    """The journal of one run, in a folder of its own; see `begin` and `waiting`."""

    folder: Path

    @classmethod
    def begin(cls, project: Path, start: Start) -> Journal:
        """Make the journal of a run that begins.

        Raises:
            OSError: the project's folder cannot be written.
        """
        folder = project / FOLDER / f"{start.time_ms}-{os.getpid()}-{time.monotonic_ns()}"
        folder.mkdir(parents=True)
        journal = cls(folder)
        journal._write(_START, asdict(start))
        return journal

    @property
    def start(self) -> Start:
        """How the run began."""
        return Start(**json.loads((self.folder / _START).read_bytes()))

    @property
    def end(self) -> End | None:
        """How the run ended; None while its process lives. A process that was killed ended with its last call."""
        file = self.folder / _END
        if file.is_file():
            return End(**json.loads(file.read_bytes()))
        if not is_gone(self.start.tags.get(PROCESS, "")):
            return None
        last = max((self.folder / name for name in (_START, _CALLS)), key=_modified)
        return End("KILLED", int(_modified(last) * 1000))

    def close(self, end: End) -> None:
        """Write how the run ended; nothing follows."""
        self._write(_END, asdict(end))

    def add(self, call: Mapping[str, Any]) -> None:
        """Add a call, a mapping that JSON can hold; see `sending.Sender`."""
        with (self.folder / _CALLS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(call) + "\n")

    @property
    def calls(self) -> Iterator[dict[str, Any]]:
        """The calls in order; a last line that a kill cut off is left out."""
        file = self.folder / _CALLS
        for line in file.read_text(encoding="utf-8").splitlines(keepends=True) if file.is_file() else ():
            if line.endswith("\n"):
                yield json.loads(line)

    def keep(self, name: str, content: Path | bytes) -> Path:
        """Keep a file under a relative name of several parts; a later one of the same name replaces it."""
        path = self.folder / _FILES / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            shutil.copyfile(content, path)
        else:
            path.write_bytes(content)
        return path

    def kept(self, name: str) -> Path:
        """The file that was kept under a name."""
        return self.folder / _FILES / name

    @property
    def run_id(self) -> str | None:
        """The run in MLflow, once it was created; it may lack a part."""
        file = self.folder / _SENT
        return file.read_text() if file.is_file() else None

    def created(self, run_id: str) -> None:
        """Note the run that was created in MLflow."""
        write_bytes(self.folder / _SENT, run_id.encode())

    def remove(self) -> None:
        """Remove the journal, as MLflow has all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def set_aside(self) -> None:
        """Move the journal away, as MLflow refuses it; nothing is lost."""
        refused = self.folder.parent.with_name("journal-refused")
        refused.mkdir(exist_ok=True)
        self.folder.rename(refused / self.folder.name)

    def _write(self, name: str, value: Mapping[str, Any]) -> None:
        write_bytes(self.folder / name, json.dumps(value).encode())


def waiting(project: Path) -> list[Journal]:
    """Journals of runs that ended and that MLflow does not have whole, oldest first."""
    folder = project / FOLDER
    found = [Journal(path) for path in sorted(folder.iterdir()) if (path / _START).is_file()] if folder.is_dir() else []
    return [journal for journal in found if _has_ended(journal)]


def _has_ended(journal: Journal) -> bool:
    """Whether its run has ended; False if its process removes the journal at this moment."""
    try:
        return journal.end is not None
    except FileNotFoundError:
        return False


def _modified(file: Path) -> float:
    return file.stat().st_mtime if file.is_file() else 0.0
