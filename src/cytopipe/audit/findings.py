"""What an audit says: findings with a verdict, in the form of audit.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cytopipe.data.manifest import Row
from cytopipe.params import SPLITS

Verdict = Literal["ok", "warning", "fail", "skipped"]
MOST_EXAMPLES = 20
_SEVERITY: tuple[Verdict, ...] = ("skipped", "ok", "warning", "fail")


@dataclass(frozen=True)
class Finding:
    """One check and what it found.

    Attributes:
        check: its name.
        verdict: fail where the numbers on this dataset are not to be trusted, warning where they need a second look.
        title: one short sentence.
        text: what was done and found, and what to do.
        numbers: behind the verdict; None where one is not defined.
        examples: images that show it, at most MOST_EXAMPLES.
        figure: a PNG's name in the audit's folder of figures.
    """

    check: str
    verdict: Verdict
    title: str
    text: str
    numbers: dict[str, float | int | None] = field(default_factory=dict)
    examples: list[dict[str, Any]] = field(default_factory=list)
    figure: str | None = None

    @property
    def plain(self) -> dict[str, Any]:
        """As in audit.json."""
        return {
            "check": self.check,
            "verdict": self.verdict,
            "title": self.title,
            "text": self.text,
            "numbers": self.numbers,
            "examples": self.examples[:MOST_EXAMPLES],
            "figure": self.figure,
        }


def worst(findings: Sequence[Finding]) -> Verdict:
    """The gravest verdict; ok where every check was skipped."""
    gravest: Verdict = max((finding.verdict for finding in findings), key=_SEVERITY.index, default="ok")
    return "ok" if gravest == "skipped" else gravest


def report(dataset: str, level: str, rows: Sequence[Row], findings: Sequence[Finding]) -> dict[str, Any]:
    """Everything in audit.json, in a fixed key order; without a level's checks the verdict is `off`."""
    return {
        "dataset": dataset,
        "level": level,
        "images": {split: sum(row.split == split for row in rows) for split in SPLITS},
        "verdict": "off" if level == "off" else worst(findings),
        "findings": [finding.plain for finding in findings],
    }


def example(one: Row, other: Row, distance: int | None = None) -> dict[str, Any]:
    """Two images that show a finding; distance: bits in which their hashes differ."""
    return {"ids": [one.id, other.id], "splits": [one.split, other.split], "distance": distance}
