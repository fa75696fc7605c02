"""audit.json: every check of a dataset with its verdict."""

from __future__ import annotations

from typing import Literal

from cytopipe.results.contract import Contract, Record

Verdict = Literal["ok", "warning", "fail", "skipped"]


class Example(Record):
    """Images that show a finding, with their splits; `distance` is in bits of their hashes."""

    ids: tuple[str, ...]
    splits: tuple[str, ...]
    distance: int | None


class Finding(Record):
    """One check and what it found.

    Attributes:
        check: its name.
        verdict: fail where the numbers on this dataset are not to be trusted, warning where they need a second look.
        title: one short sentence.
        text: what was done and found, and what to do.
        numbers: behind the verdict; None where one is not defined.
        examples: images that show it.
        figure: a PNG's name in the audit's folder of figures.
    """

    check: str
    verdict: Verdict
    title: str
    text: str
    numbers: dict[str, int | float | None]
    examples: tuple[Example, ...]
    figure: str | None = None


class AuditReport(Contract):
    """An audit; where it was switched off, level and verdict are `off` and nothing was checked."""

    dataset: str
    level: str
    images: dict[str, int]
    verdict: Literal["ok", "warning", "fail", "off"]
    findings: tuple[Finding, ...]
