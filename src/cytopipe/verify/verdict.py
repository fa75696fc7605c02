"""The verdict on a comparison, and its one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from cytopipe.core.pipeline.machine import Machine
from cytopipe.verify.compare import StageCheck, Status, compare
from cytopipe.verify.metrics import MetricCheck, MetricChecks, compare_metrics
from cytopipe.verify.present import Present
from cytopipe.verify.promise import broken_promise
from cytopipe.verify.record import Record

Kind = Literal["bit-identical", "within tolerance", "departs", "nothing to compare"]
MOST = 3  # names that the line lists


@dataclass(frozen=True)
class Verdict:
    """What a comparison found.

    Attributes:
        against: name of the record.
        kind: the verdict: `bit-identical` in all that can be compared, `within tolerance` (bytes depart where they are
            not promised, metrics agree), `departs`, or `nothing to compare`.
        stages: every stage in the order of the DAG.
        metrics: the numbers of the stages that depart.
        facts: facts of the machines that differ where the run departs: here and in the record.
        unpromised: why the same bytes are not promised here; empty if they are, or if nothing departs.
        lock: what became of dvc.lock; empty if it is that of the record.
        recorded: whether the record has any stage.
    """

    against: str
    kind: Kind
    stages: tuple[StageCheck, ...]
    metrics: MetricChecks
    facts: dict[str, tuple[str, str]]
    unpromised: str
    lock: str
    recorded: bool

    @property
    def holds(self) -> bool:
        """Whether something was compared and all of it agrees as far as promised."""
        return self.kind in ("bit-identical", "within tolerance")

    @cached_property
    def first(self) -> StageCheck | None:
        """The first stage that departs; None if none does."""
        return _first(self.stages)

    @property
    def line(self) -> str:
        """The verdict in one line."""
        words = {
            "bit-identical": self._identical,
            "within tolerance": self._departs,
            "departs": self._departs,
            "nothing to compare": self._nothing,
        }[self.kind]()
        return "; ".join(filter(None, (f"verify: {words}", self.lock)))

    def _identical(self) -> str:
        same = [one for one in self.stages if one.status == "same"]
        if len(same) == len(self.stages):
            return f"bit-identical to {self.against}: {sum(one.outputs for one in same)} outputs of {len(same)} stages"
        return f"bit-identical to {self.against} in {len(same)} of {len(self.stages)} stages; {self._rest()}"

    def _nothing(self) -> str:
        if not self.recorded:
            return f"nothing to compare: {self.against} has no dvc.lock"
        return f"nothing to compare with {self.against}: {self._rest()}"

    def _departs(self) -> str:
        first = self.first
        assert first, "a verdict of departure has a stage that departs"
        before = sum(one.status == "same" for one in self.stages[: self.stages.index(first)])
        promise = f"bytes are not promised ({self.unpromised})" if self.unpromised else "bytes are promised here"
        verb = "agrees with" if self.holds else "departs from"
        parts = [
            f"{verb} {self.against}: first other bytes at {first.stage} ({listed(first.differing)}), after {before} "
            f"identical stages",
            self._cause(first),
            promise,
            _of_metrics(self.metrics),
        ]
        return "; ".join(parts)

    def _cause(self, first: StageCheck) -> str:
        """Why the first stage departs, as far as code, inputs and machines tell."""
        causes = []
        if first.sources:
            causes.append(f"{listed(first.sources)} differs")
        if self.facts:
            named = [f"{name} {here}, recorded {there}" for name, (here, there) in self.facts.items()]
            causes.append(f"on another machine: {listed(named)}")
        if first.edited:
            causes.append(f"{listed(first.edited)} is not what dvc.lock here says: edited, or made by another engine")
        if not causes and first.there is None:
            return "the record does not name its machine"
        return " and ".join(causes) or "code, parameters and machine are those of the record"

    def _rest(self) -> str:
        """Why the other stages cannot be compared."""
        counts = Counter(one.status for one in self.stages)
        params = dict.fromkeys(name for one in self.stages if one.status == "other parameters" for name in one.params)
        reasons: dict[Status, str] = {
            "other parameters": f"with other parameters ({listed(list(params))})",
            "new": "not in the record",
            "missing": "not run here",
        }
        return ", ".join(f"{counts[status]} {reason}" for status, reason in reasons.items() if counts[status])


def judge(present: Present, record: Record, tolerance: float | None = None) -> Verdict:
    """Compare what lies here with a record, and judge.

    Args:
        present: the project.
        record: the record.
        tolerance: accepted absolute change of a metric; by default that of each metric in the registry.
    """
    stages = tuple(compare(present, record))
    first = _first(stages)
    metrics, facts, unpromised = MetricChecks((), ()), {}, ""
    if first:
        departed = {one.stage: present.stages[one.stage] for one in stages if one.status == "differs"}
        metrics = compare_metrics(present, record, departed, tolerance)
        here = first.here or Machine.here(present.params)
        facts = here.differences(first.there) if first.there else {}
        unpromised = broken_promise(here, first.there)
    # Another machine explains other bytes; code does not, nor does an edited file on the same machine.
    explained = first is not None and bool(unpromised) and not first.sources and bool(facts or not first.edited)
    kind = _kind(stages, metrics, explained)
    lock = _of_lock(kind) if record.changed_lock else ""
    return Verdict(record.name, kind, stages, metrics, facts, unpromised, lock, bool(record.stages))


def _kind(stages: Sequence[StageCheck], metrics: MetricChecks, explained: bool) -> Kind:
    if _first(stages) is None:
        return "bit-identical" if any(one.status == "same" for one in stages) else "nothing to compare"
    agrees = bool(metrics.checks) and not metrics.unknown and all(one.passed for one in metrics.checks)
    return "within tolerance" if explained and agrees else "departs"


def _first(stages: Iterable[StageCheck]) -> StageCheck | None:
    return next((one for one in stages if one.status == "differs"), None)


def _of_metrics(found: MetricChecks) -> str:
    if not found.checks:
        return "no metrics to compare" if not found.unknown else "the record's metrics are not at hand (`dvc fetch`)"
    failed = [shown(one) for one in found.checks if not one.passed]
    if failed:
        text = f"{len(failed)} of {len(found.checks)} metrics beyond tolerance ({listed(failed)})"
    else:
        largest = max(found.checks, key=lambda one: (one.change or 0) / max(one.tolerance, 1e-12))
        text = f"all {len(found.checks)} metrics within tolerance (most: {shown(largest)})"
    return f"{text}, {len(found.unknown)} files of metrics not at hand (`dvc fetch`)" if found.unknown else text


def shown(check: MetricCheck) -> str:
    """A metric and its change: `classifiers/masks accuracy 0.8100, recorded 0.8000, tolerance 0.02`."""
    name = check.file.removeprefix("results/").removesuffix("/metrics.json")
    here, there = ("undefined" if one is None else f"{one:.4f}" for one in (check.here, check.recorded))
    return f"{name} {check.metric} {here}, recorded {there}, tolerance {check.tolerance:g}"


def _of_lock(kind: Kind) -> str:
    if kind in ("within tolerance", "departs"):
        return "dvc.lock now holds the hashes of this run: `git restore dvc.lock` brings the record back"
    return "dvc.lock changed: commit it to make this run the record"


def listed(names: Sequence[str]) -> str:
    """The first names, and how many there are besides."""
    text = ", ".join(names[:MOST])
    return text if len(names) <= MOST else f"{text} and {len(names) - MOST} more"
