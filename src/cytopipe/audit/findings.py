"""Findings of an audit and the overall verdict, as stored in audit.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cytopipe.core.params import SPLITS
from cytopipe.data.manifest import Row
from cytopipe.results.audit import AuditReport, Example, Finding, Verdict

MOST_EXAMPLES = 20
_SEVERITY: tuple[Verdict, ...] = ("skipped", "ok", "warning", "fail")


def conclude(
    check: str,
    verdict: Verdict,
    title: str,
    text: str,
    numbers: Mapping[str, float | int | None] | None = None,
    examples: Sequence[Example] = (),
) -> Finding:
    """Make the finding of a check, with at most MOST_EXAMPLES examples; see `Finding` for the arguments."""
    return Finding(
        check=check,
        verdict=verdict,
        title=title,
        text=text,
        numbers=dict(numbers or {}),
        examples=tuple(examples[:MOST_EXAMPLES]),
    )


def worst(findings: Sequence[Finding]) -> Verdict:
    """The most severe verdict; ok if every check was skipped."""
    gravest: Verdict = max((finding.verdict for finding in findings), key=_SEVERITY.index, default="ok")
    return "ok" if gravest == "skipped" else gravest


def report(dataset: str, level: str, rows: Sequence[Row], findings: Sequence[Finding]) -> AuditReport:
    """Make the report of an audit; at level `off`, without findings, the verdict is `off`."""
    return AuditReport(
        dataset=dataset,
        level=level,
        images={split: sum(row.split == split for row in rows) for split in SPLITS},
        verdict="off" if level == "off" else worst(findings),
        findings=tuple(findings),
    )


def example(one: Row, other: Row, distance: int | None = None) -> Example:
    """Make an example of a finding from two images; `distance` is the number of differing bits of their hashes."""
    return Example(ids=(one.id, other.id), splits=(one.split, other.split), distance=distance)
