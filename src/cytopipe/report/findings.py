"""The findings of a dataset's audit, ready to print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cytopipe import paths
from cytopipe.report.pictures import Album, Picture, drawing
from cytopipe.report.read import DatasetResults

EXAMPLES = 4  # pairs of images of a finding
OFF = "off"
WORDS = {"ok": "passed", "warning": "warning", "fail": "failed", "skipped": "skipped", OFF: "not audited"}
_WORST_FIRST = ("fail", "warning", "ok", "skipped")


@dataclass(frozen=True)
class Pair:
    """Images that a finding shows side by side: (id, split, picture) each; `distance` as the audit measured it."""

    images: Sequence[tuple[str, str, Picture]]
    distance: float | None


@dataclass(frozen=True)
class Finding:
    """One check; `hidden` is the number of examples that are left out."""

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
    findings: Sequence[Finding]

    @property
    def word(self) -> str:
        """The verdict in a word."""
        return WORDS.get(self.verdict, self.verdict)

    @property
    def alarms(self) -> list[Finding]:
        """The findings that a reader must know of before the numbers."""
        return [finding for finding in self.findings if finding.verdict in ("fail", "warning")]


def audited(one: DatasetResults, album: Album) -> Audited:
    """The audit of a dataset, worst findings first; one that was not run says so."""
    if one.audit is None:
        return Audited(OFF, OFF, [])
    findings = [_finding(finding, one, album) for finding in one.audit["findings"]]
    findings.sort(key=lambda finding: _place(finding.verdict))
    return Audited(one.audit["level"], one.audit["verdict"], findings)


def _finding(content: Mapping[str, Any], one: DatasetResults, album: Album) -> Finding:
    examples = content.get("examples") or []
    shown = [example for example in examples if all(image in one.by_id for image in example["ids"])][:EXAMPLES]
    figure = content.get("figure")
    return Finding(
        content["check"],
        content["verdict"],
        content["title"],
        content["text"],
        content.get("numbers") or {},
        [_pair(example, one, album) for example in shown],
        len(examples) - len(shown),
        drawing(paths.Audit(one.name).figures / figure) if figure else None,
    )


def _pair(example: Mapping[str, Any], one: DatasetResults, album: Album) -> Pair:
    splits = example.get("splits") or [one.by_id[image].split for image in example["ids"]]
    images = [(image, split, album.get(one.name, image)) for image, split in zip(example["ids"], splits, strict=True)]
    return Pair(images, example.get("distance"))


def _place(verdict: str) -> int:
    return _WORST_FIRST.index(verdict) if verdict in _WORST_FIRST else len(_WORST_FIRST)
