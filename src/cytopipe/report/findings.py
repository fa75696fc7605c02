"""The findings of a dataset's audit, prepared for the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cytopipe import paths
from cytopipe.report.pictures import Album, Picture, drawing
from cytopipe.report.read import DatasetResults
from cytopipe.results.audit import Example, Finding

EXAMPLES = 4  # pairs of images shown for a finding
OFF = "off"
WORDS = {"ok": "passed", "warning": "warning", "fail": "failed", "skipped": "skipped", OFF: "not audited"}
_WORST_FIRST = ("fail", "warning", "ok", "skipped")


@dataclass(frozen=True)
class Pair:
    """Images shown side by side, each as (id, split, picture); `distance` is that of their hashes, in bits."""

    images: Sequence[tuple[str, str, Picture]]
    distance: float | None


@dataclass(frozen=True)
class ShownFinding:
    """The result of one check; `hidden` is the number of examples that are not shown."""

    check: str
    verdict: str
    title: str
    text: str
    numbers: Mapping[str, float | None]
    pairs: Sequence[Pair]
    hidden: int
    figure: Picture | None


@dataclass(frozen=True)
class Audited:
    """The audit of one dataset."""

    level: str
    verdict: str
    findings: Sequence[ShownFinding]

    @property
    def word(self) -> str:
        """The verdict as text."""
        return WORDS.get(self.verdict, self.verdict)

    @property
    def alarms(self) -> list[ShownFinding]:
        """Failed checks and warnings."""
        return [finding for finding in self.findings if finding.verdict in ("fail", "warning")]


def audited(one: DatasetResults, album: Album) -> Audited:
    """The audit of a dataset, with the worst findings first; level and verdict are `off` if it was not audited."""
    if one.audit is None:
        return Audited(OFF, OFF, [])
    findings = [_shown(finding, one, album) for finding in one.audit.findings]
    findings.sort(key=lambda finding: _WORST_FIRST.index(finding.verdict))
    return Audited(one.audit.level, one.audit.verdict, findings)


def _shown(finding: Finding, one: DatasetResults, album: Album) -> ShownFinding:
    known = [example for example in finding.examples if all(image in one.by_id for image in example.ids)][:EXAMPLES]
    return ShownFinding(
        finding.check,
        finding.verdict,
        finding.title,
        finding.text,
        finding.numbers,
        [_pair(example, one, album) for example in known],
        len(finding.examples) - len(known),
        drawing(paths.Audit(one.name).figures / finding.figure) if finding.figure else None,
    )


def _pair(example: Example, one: DatasetResults, album: Album) -> Pair:
    shown = zip(example.ids, example.splits, strict=True)
    return Pair([(image, split, album.get(one.name, image)) for image, split in shown], example.distance)
