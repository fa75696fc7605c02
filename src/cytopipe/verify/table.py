"""A verdict as tables for people and as JSON."""

from __future__ import annotations

from typing import Any

from cytopipe.core.io.tables import markdown
from cytopipe.verify.metrics import MetricCheck
from cytopipe.verify.verdict import Verdict, listed


def to_table(verdict: Verdict) -> str:
    """Every stage, then the metrics of the stages that depart, then the facts of the machines that differ."""
    stages = [
        (one.stage, f"{one.outputs - len(one.differing)}/{one.outputs}", one.status, listed(why) or "-")
        for one in verdict.stages
        for why in (one.params if one.status == "other parameters" else one.differing,)
    ]
    parts = [markdown(("stage", "same outputs", "status", "what differs"), stages)]
    if verdict.metrics.checks:
        metrics = [
            (f"{one.file}: {one.metric}", _number(one.here), _number(one.recorded), f"{one.tolerance:g}", _word(one))
            for one in verdict.metrics.checks
        ]
        parts.append(markdown(("metric", "here", "recorded", "tolerance", "verdict"), metrics))
    if verdict.facts:
        facts = [(name, here, there) for name, (here, there) in verdict.facts.items()]
        parts.append(markdown(("machine", "here", "recorded"), facts))
    return "\n".join(parts)


def to_json(verdict: Verdict) -> dict[str, Any]:
    """The verdict and all that it rests on, for machines."""
    first = verdict.first
    return {
        "against": verdict.against,
        "verdict": verdict.kind,
        "holds": verdict.holds,
        "line": verdict.line,
        "first": {"stage": first.stage, "outputs": first.differing, "sources": first.sources} if first else None,
        "bytes_promised": not verdict.unpromised,
        "machine": {name: {"here": here, "recorded": there} for name, (here, there) in verdict.facts.items()},
        "stages": [
            {
                "stage": one.stage,
                "status": one.status,
                "outputs": one.outputs,
                "differing": one.differing,
                "params": one.params,
                "sources": one.sources,
                "edited": one.edited,
            }
            for one in verdict.stages
        ],
        "metrics": [
            {
                "file": one.file,
                "metric": one.metric,
                "here": one.here,
                "recorded": one.recorded,
                "tolerance": one.tolerance,
                "passed": one.passed,
            }
            for one in verdict.metrics.checks
        ],
        "metrics_not_at_hand": verdict.metrics.unknown,
    }


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _word(check: MetricCheck) -> str:
    return "ok" if check.passed else "**beyond**"
