"""Results that only some runs have: by patient, by subgroup, of another laboratory, unlike images, guarantees."""

from __future__ import annotations

from pathlib import Path

from cytopipe.dossier.project import Project, file_fact, summary
from cytopipe.dossier.resolvers.registry import Facts, resolver

EXTERNAL = Path("results/external")


def _clinical(project: Project, name: str, text: str) -> Facts:
    for one in project.classifiers:
        yield from file_fact(one.name, text, one.files.clinical / name, "see the file")


@resolver
def patients(project: Project) -> Facts:
    """Answers for patients."""
    return _clinical(project, "patients.json", "metrics over patients with intervals")


@resolver
def subgroups(project: Project) -> Facts:
    """Subgroups."""
    return _clinical(project, "subgroups.json", "every metric by attribute, and the worst group")


@resolver
def unfamiliar(project: Project) -> Facts:
    """Images unlike those of the training."""
    return _clinical(project, "unfamiliar.json", "how unlike images are told, and the false alarms")


@resolver
def guarantees(project: Project) -> Facts:
    """Guarantees."""
    return _clinical(project, "guarantees.json", "sets of classes at a stated coverage over groups")


@resolver
def external(project: Project) -> Facts:
    """Another laboratory."""
    for file in sorted(EXTERNAL.glob("*/*.json")):
        yield from file_fact(file.parent.name, file.stem, file, "see the file")


@resolver
def suspects(project: Project) -> Facts:
    """Labels that the model doubts."""
    for file in sorted(Path("results").glob("**/suspects.csv")):
        yield from file_fact(file.parent.name, "training images whose label is doubtful", file, "see the file")


@resolver
def corrections(project: Project) -> Facts:
    """Labels that were corrected."""
    names = ("file", "sha256", "relabelled", "left_out", "confirmed")
    for one in project.datasets:
        yield from summary(one).all({name.replace("_", " "): ("corrections", name) for name in names})


@resolver
def attributes(project: Project) -> Facts:
    """Images by attribute."""
    for one in project.datasets:
        for name in summary(one).content.get("attributes", {}):
            yield from summary(one).fact(f"images by {name}", "attributes", name, "values")
        left_out = {"test images are of a left-out": ("left_out", "attribute"), "tested": ("left_out", "tested")}
        yield from summary(one).all(left_out)
