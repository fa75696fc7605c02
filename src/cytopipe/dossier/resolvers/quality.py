"""Facts of the audit: leaks between partitions, and whether labels can be told without the cells."""

from __future__ import annotations

from collections.abc import Collection

from cytopipe.dossier.facts import Fact
from cytopipe.dossier.project import Project, audit
from cytopipe.dossier.resolvers.registry import Facts, resolver
from cytopipe.report.findings import WORDS
from cytopipe.report.read import DatasetResults

LEAKS = ("byte_duplicates", "near_duplicates", "groups")


def _findings(one: DatasetResults, checks: Collection[str] | None = None) -> list[Fact]:
    """Each finding with its verdict; all but those of leaks without `checks`."""
    file = audit(one)
    facts: list[Fact] = []
    for place, finding in enumerate(one.audit.findings if one.audit else ()):
        if file and (finding.check in checks if checks else finding.check not in LEAKS):
            text = f"{WORDS[finding.verdict]}: {finding.title}"
            label = finding.check.replace("_", " ")
            facts += file.fact(label, "findings", str(place), "title", text=text)
    return facts


@resolver
def leaks(project: Project) -> Facts:
    """Leaks between partitions that were looked for."""
    for one in project.datasets:
        yield from _findings(one, LEAKS)


@resolver
def shortcuts(project: Project) -> Facts:
    """Shortcuts that were looked for."""
    for one in project.datasets:
        yield from _findings(one)


@resolver
def audits(project: Project) -> Facts:
    """The audit of the data."""
    for one in project.datasets:
        if file := audit(one):
            verdict = WORDS.get(file.content["verdict"], file.content["verdict"])
            yield from file.fact("verdict", "verdict", text=verdict)
            yield from file.fact("level", "level")
