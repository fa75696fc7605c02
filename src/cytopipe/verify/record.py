"""Records of a run to compare with: the dvc.lock of a git revision, or a file.

dvc.lock holds hashes, parameters and dependencies, but not the machine, nor any number: metrics lie in DVC's cache,
which a fresh clone does not have. `workflow/record.json` beside it holds both, for the stages that it has in common
with dvc.lock. The same format serves as golden hashes of the preset tiny, in tests/baselines/.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cytopipe.core.pipeline.machine import Machine
from cytopipe.core.pipeline.project import UNTRUSTED, trust, untrusted
from cytopipe.errors import CytopipeError
from cytopipe.paths import RECORD
from cytopipe.results.contract import Contract
from cytopipe.results.contract import Record as Part
from cytopipe.results.headline import Headline
from cytopipe.verify.present import Present

LOCK = "dvc.lock"
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class UsedMachine(Part):
    """A machine, and the stages that ran on it."""

    stages: tuple[str, ...]
    machine: Machine


class RecordFile(Contract):
    """A stored record.

    Attributes:
        outputs: hash of every output as in dvc.lock, by stage and path.
        metrics: content of every metrics.json by path.
        machines: the machines that the stages ran on; a stage whose machine is unknown is in none.
    """

    outputs: dict[str, dict[str, str]]
    metrics: dict[str, dict[str, float]]
    machines: tuple[UsedMachine, ...]

    def machine_of(self, stage: str) -> Machine | None:
        """The machine that a stage ran on; None if it is unknown."""
        return next((one.machine for one in self.machines if stage in one.stages), None)


@dataclass(frozen=True)
class RecordedStage:
    """A stage of a record.

    Attributes:
        outputs: hash of every output by path.
        params: values of its parameters by dotted name; None if the record does not hold them.
        sources: hash of every dependency by path; None if the record does not hold them.
        machine: the machine that it ran on; None if it is unknown.
        metrics: content of its metrics.json by path, where the record holds it.
    """

    outputs: Mapping[str, str]
    params: Mapping[str, Any] | None = None
    sources: Mapping[str, str] | None = None
    machine: Machine | None = None
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """A record of a run.

    Attributes:
        name: the revision or file, for messages.
        stages: its stages by label; empty if the revision has no dvc.lock.
        changed_lock: whether the dvc.lock here differs from that of the record.
    """

    name: str
    stages: Mapping[str, RecordedStage]
    changed_lock: bool = False


def of_revision(root: Path, rev: str) -> Record:
    """The dvc.lock of a git revision, with workflow/record.json where it describes the same outputs.

    Raises:
        CytopipeError: git knows no such revision, or a file of it is invalid.
    """
    _commit_of(root, rev)
    lock = _show(root, rev, LOCK)
    if lock is None:
        return Record(rev, {})
    try:
        stages = (yaml.load(lock, _Loader) or {}).get("stages", {})
        entries = {label: _entry(stage) for label, stage in stages.items()}
    except (yaml.YAMLError, AttributeError, KeyError, TypeError):
        raise CytopipeError("not a dvc.lock of DVC 3", where=f"{LOCK} of {rev}") from None
    beside = _show(root, rev, RECORD.as_posix())
    if beside is not None:
        known = RecordFile.parse(beside, f"{RECORD} of {rev}")
        entries = {label: _completed(label, entry, known) for label, entry in entries.items()}
    here = root / LOCK
    return Record(rev, entries, changed_lock=here.is_file() and here.read_bytes() != lock)


def of_file(file: Path) -> Record:
    """A stored record.

    Raises:
        CytopipeError: the file is missing or invalid.
    """
    known = RecordFile.read(file)
    entries = {label: RecordedStage(outputs) for label, outputs in known.outputs.items()}
    return Record(str(file), {label: _completed(label, entry, known) for label, entry in entries.items()})


def write_record(present: Present, file: Path) -> RecordFile:
    """Store what lies here: hashes, metrics and the machines that made them.

    Raises:
        CytopipeError: an output is missing.
    """
    outputs = {stage.label: dict(_finished(stage.outputs)) for stage in present}
    metrics = {path: Headline.read(present.root / path).root for stage in present for path in stage.metrics}
    record = RecordFile(outputs=outputs, metrics=metrics, machines=_machines(outputs, present.root))
    record.write(file)
    return record


def _machines(labels: Iterable[str], root: Path) -> tuple[UsedMachine, ...]:
    """The machines that these stages ran on, each once."""
    ran: dict[str, list[str]] = {}
    for label in labels:
        if machine := Machine.of_stage(label, root):
            ran.setdefault(machine.model_dump_json(), []).append(label)
    return tuple(
        UsedMachine(stages=tuple(stages), machine=Machine.model_validate_json(text)) for text, stages in ran.items()
    )


def _finished(outputs: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
    for path, digest in outputs.items():
        if digest is None:
            raise CytopipeError("this output is missing", where=path, hint="run the pipeline first: dvc repro")
        yield path, digest


def _entry(stage: Mapping[str, Any]) -> RecordedStage:
    return RecordedStage(
        outputs={out["path"]: out["md5"] for out in stage.get("outs", ())},
        params={name: value for values in stage.get("params", {}).values() for name, value in values.items()},
        sources={dep["path"]: dep["md5"] for dep in stage.get("deps", ())},
    )


def _completed(label: str, entry: RecordedStage, known: RecordFile) -> RecordedStage:
    """The stage with machine and metrics, if the file describes the same outputs."""
    if known.outputs.get(label) != entry.outputs:
        return entry
    metrics = {path: numbers for path, numbers in known.metrics.items() if path in entry.outputs}
    return RecordedStage(entry.outputs, entry.params, entry.sources, known.machine_of(label), metrics)


def _commit_of(root: Path, rev: str) -> None:
    if _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}") is not None:
        return
    if untrusted(root):
        raise CytopipeError(UNTRUSTED, where=root.absolute(), hint=trust(root))
    if _git(root, "rev-parse", "--git-dir") is None:
        raise CytopipeError("not a project of git", where=root.absolute(), hint="change to the project's root")
    raise CytopipeError(
        f"git knows no revision '{rev}'",
        where=root.absolute(),
        hint="`git fetch` gets the branches of a remote; `git branch --all` lists what is here",
    )


def _show(root: Path, rev: str, path: str) -> bytes | None:
    """Content of a file of a revision; None if the revision does not have it."""
    return _git(root, "show", f"{rev}:./{path}")


def _git(root: Path, *arguments: str) -> bytes | None:
    """Output of git; None if it fails."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False)
    except FileNotFoundError:
        raise CytopipeError("git is not installed", hint="install git") from None
    return done.stdout if done.returncode == 0 else None
