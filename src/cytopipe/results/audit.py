"""audit.json: the checks of a dataset and their verdicts."""

from __future__ import annotations

from typing import Literal

from cytopipe.results.contract import Contract, Record

Verdict = Literal["ok", "warning", "fail", "skipped"]


class Example(Record):
    """Images that illustrate a finding, with their splits; `distance` is that of their hashes, in bits,
    where hashes found them."""

    ids: tuple[str, ...]
    splits: tuple[str, ...]
    distance: int | None


class Finding(Record):
    """The result of one check.

    Attributes:
        check: name of the check.
        verdict: fail if results on this dataset must not be trusted, warning if they need a second look.
        title: one short sentence.
        text: method, result and advice.
        numbers: the numbers behind the verdict; None for a number that is not defined.
        examples: images that illustrate the finding.
        figure: file name of a PNG in the audit's folder of figures.
    """

    check: str
    verdict: Verdict
    title: str
    text: str
    numbers: dict[str, int | float | None]
    examples: tuple[Example, ...]
    figure: str | None = None


class AuditReport(Contract):
    """An audit of a dataset; if it is switched off, level and verdict are `off` and there are no findings."""

    dataset: str
    level: str
    images: dict[str, int]
    verdict: Literal["ok", "warning", "fail", "off"]
    findings: tuple[Finding, ...]
