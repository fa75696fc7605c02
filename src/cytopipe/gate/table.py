"""The checks of the gate as Markdown for a pull request, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

from cytopipe.core.io.tables import markdown
from cytopipe.gate.checks import OTHER_IMAGES, Check
from cytopipe.gate.results import Change

RULE = (
    "In parentheses: 95 % intervals over groups (of the change: of the difference on the same images). A metric is "
    "worse when it drops by more than its tolerance and the interval confirms it, by more than five times the default "
    "tolerance, or when one group collapses. Any other drop is within noise."
)


def to_markdown(checks: Sequence[Check], against: str, hint: str) -> str:
    """Write result, table, and the reasons for verdicts on the test images.

    Args:
        checks: checks of every metric.
        against: name of the baseline or revision that the run was compared with.
        hint: what to do if the test images were changed on purpose.
    """
    failed = sum(not check.passed for check in checks)
    result = f"failed ({failed} of {len(checks)} metrics)" if failed else "passed"
    table = markdown(
        ("metric", "baseline (95 %)", "now (95 %)", "change (95 %)", "tolerance", "verdict"), map(_row, checks)
    )
    reasons = dict.fromkeys(
        f"- {_name(check.file)}: {check.reason}{f'; {hint}' if check.verdict == OTHER_IMAGES else ''}"
        for check in checks
        if check.reason
    )
    parts = [f"### Metrics against `{against}`: {result}", table.rstrip(), *(["\n".join(reasons)] if reasons else [])]
    return "\n\n".join([*parts, RULE]) + "\n"


def _name(file: str) -> str:
    """`classifiers/masks` of results/classifiers/masks/details.json."""
    return PurePosixPath(file).parent.as_posix().removeprefix("results/")


def _row(check: Check) -> tuple[str, ...]:
    expected, now, paired = check.expected, check.now, check.paired
    return (
        f"{_name(check.file)}: {check.metric}".rstrip(": "),
        _number(expected.value, expected.low, expected.high) if expected else "-",
        _number(now.value, now.low, now.high) if now else "-",
        "-" if check.change is None else _change(check.change, paired),
        f"{expected.tolerance:.3g}" if expected else "-",
        check.verdict if check.passed else f"**{check.verdict}**",
    )


def _number(value: float, low: float | None, high: float | None) -> str:
    return f"{value:.4f}" if low is None or high is None else f"{value:.4f} ({low:.3f} to {high:.3f})"


def _change(value: float, paired: Change | None) -> str:
    shown = f"{value:+.4f}" if value else "0"
    if paired is None or paired.low is None or paired.high is None:
        return shown
    return f"{shown} ({paired.low:+.3f} to {paired.high:+.3f})"


def to_json(checks: Sequence[Check], against: str) -> dict[str, Any]:
    """The content of the table for machines; missing numbers are null."""
    return {
        "against": against,
        "passed": all(check.passed for check in checks),
        "checks": [
            {
                "file": check.file,
                "metric": check.metric or None,
                "baseline": check.expected.model_dump(include={"value", "low", "high"}) if check.expected else None,
                "now": asdict(check.now) if check.now else None,
                "change": None if check.change is None else round(check.change, 6),
                "change_interval": {"low": check.paired.low, "high": check.paired.high} if check.paired else None,
                "direction": check.expected.direction if check.expected else None,
                "tolerance": check.expected.tolerance if check.expected else None,
                "verdict": check.verdict,
                "passed": check.passed,
                "reason": check.reason or None,
            }
            for check in checks
        ],
    }
