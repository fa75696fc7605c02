"""The stages that lie here beside those of a record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cytopipe.core.pipeline.machine import Machine
from cytopipe.verify.present import Present, PresentStage
from cytopipe.verify.record import Record, RecordedStage

Status = Literal["same", "differs", "other parameters", "new", "missing"]
INCOMPARABLE = ("other parameters", "new")


@dataclass(frozen=True)
class StageCheck:
    """A stage beside its record.

    Attributes:
        stage: its label.
        status: see the docstring of the package.
        outputs: number of its outputs.
        differing: its outputs whose bytes are not those of the record.
        params: dotted names of parameters whose values are not those of the record.
        sources: code and given files that are not those of the record; empty if the record does not hold them.
        edited: the differing outputs that are not those of the dvc.lock here either: something other than DVC wrote
            them.
        here: machine that made the outputs here; None if unknown.
        there: machine of the record; None if unknown.
    """

    stage: str
    status: Status
    outputs: int
    differing: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    here: Machine | None = None
    there: Machine | None = None


def compare(present: Present, record: Record) -> list[StageCheck]:
    """Compare every stage of the project, in the order of the DAG."""
    checks: dict[str, StageCheck] = {}
    for stage in present:
        before = [checks[label] for label in stage.before]
        checks[stage.label] = _check(present, stage, record.stages.get(stage.label), before)
    return list(checks.values())


def _check(
    present: Present, stage: PresentStage, recorded: RecordedStage | None, before: Iterable[StageCheck]
) -> StageCheck:
    count = len(stage.outputs)
    if recorded is None:
        return StageCheck(stage.label, "new", count)
    missing = tuple(path for path, digest in stage.outputs.items() if digest is None)
    if missing:
        return StageCheck(stage.label, "missing", count, missing)
    differing = tuple(_differing(stage.outputs, recorded.outputs))
    here, there = Machine.of_stage(stage.label, present.root), recorded.machine
    if not differing:
        return StageCheck(stage.label, "same", count, here=here, there=there)
    params = () if recorded.params is None else tuple(_differing(_flat(stage.params), _flat(recorded.params)))
    incomparable = params or any(one.status in INCOMPARABLE for one in before)
    sources = _sources(stage, recorded)
    edited = tuple(path for path in differing if stage.locked.get(path) not in (None, stage.outputs.get(path)))
    status: Status = "other parameters" if incomparable else "differs"
    return StageCheck(stage.label, status, count, differing, params, sources, edited, here, there)


def _sources(stage: PresentStage, recorded: RecordedStage) -> tuple[str, ...]:
    """Sources that differ; those of the record that a stage makes here are none."""
    if recorded.sources is None:
        return ()
    return tuple(_differing(stage.sources, {path: recorded.sources.get(path) for path in stage.sources}))


def _differing(here: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[str]:
    """Names whose values differ, or that only one side has."""
    absent = object()
    for name in dict.fromkeys((*here, *there)):
        if here.get(name, absent) != there.get(name, absent):
            yield name


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Nested mappings as one, by dotted names; an empty mapping stays a value."""
    if not isinstance(value, Mapping) or not value:
        return {name: value}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found |= _flat(inner, f"{name}.{key}" if name else str(key))
    return found
