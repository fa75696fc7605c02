"""Results that only some runs have: by patient, by subgroup, of another laboratory, unlike images, guarantees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cytopipe import paths
from cytopipe.dossier.facts import Source
from cytopipe.dossier.project import Project, summary
from cytopipe.dossier.resolvers.registry import Facts, resolver
from cytopipe.dossier.words import estimate
from cytopipe.metrics.registry import find
from cytopipe.report.read import ClassifierResults
from cytopipe.results.contract import Contract
from cytopipe.results.ensemble import ENSEMBLE, Ensemble
from cytopipe.results.guarantees import GuaranteeDetails
from cytopipe.results.patients import PatientEvaluation
from cytopipe.results.subgroups import Subgroups
from cytopipe.results.suspects import SuspectsSummary
from cytopipe.results.unfamiliar import Unfamiliar


def _clinical(project: Project, name: str, kind: type[Contract]) -> Iterator[tuple[ClassifierResults, Source]]:
    """A file of the clinical folder of each classifier that has it."""
    for one in project.classifiers:
        file = one.files.clinical / name
        if file.is_file():
            yield one, Source(one.name, file, kind.read(file).plain)


@resolver
def patients(project: Project) -> Facts:
    """Answers for patients."""
    for _, file in _clinical(project, "patients.json", PatientEvaluation):
        details = PatientEvaluation.read(file.file)
        yield from file.fact("rule", "rules", "0", "rule", text=details.rule.words)
        yield from file.fact("test patients", "groups", text=f"{details.groups}, {details.abnormal} abnormal")
        names = ("auc", "sensitivity", "specificity", "accuracy", "brier")
        yield from file.all({("AUC" if name == "auc" else name): (name,) for name in names})
        if details.why:
            yield from file.fact("withheld", "why")


@resolver
def subgroups(project: Project) -> Facts:
    """Subgroups."""
    for one, file in _clinical(project, paths.SUBGROUPS, Subgroups):
        details = Subgroups.read(file.file)
        for place, part in enumerate(details.subgroups):
            row = replace(file, subject=f"{one.name}, {part.attribute}: {part.value}")
            key = ("subgroups", str(place))
            yield from row.all({"test images": (*key, "images"), "test groups": (*key, "groups")})
            yield from row.fact("accuracy", *key, "metrics", "accuracy")
        yield from file.fact("tests, corrected together", "tests")
        found = [f"{each.metric} of {each.attribute}: {each.value}" for each in details.different]
        yield from file.fact("different after Holm's correction", "different", text="; ".join(found) or "none")
        if details.worst:
            worst = f"{details.worst.attribute}: {details.worst.value}"
            yield from file.fact("lowest, which may be chance", "worst", text=worst)


@resolver
def unfamiliar(project: Project) -> Facts:
    """Images unlike those of the training."""
    for one, file in _clinical(project, "unfamiliar.json", Unfamiliar):
        yield from file.fact("false alarms on test images", "false_alarms")
        for kind in Unfamiliar.read(file.file).altered:
            row = replace(file, subject=f"{one.name}, {kind}")
            yield from row.all({name: ("altered", kind, name) for name in ("flagged", "passed")})
            yield from row.fact("AUROC", "altered", kind, "auroc")


@resolver
def guarantees(project: Project) -> Facts:
    """Guarantees."""
    for one, file in _clinical(project, paths.GUARANTEES, GuaranteeDetails):
        yield from file.all({"coverage of sets, wanted": ("sets", "wanted"), "withheld": ("sets", "withheld")})
        measured = {"coverage, over groups": "coverage", "classes in a set": "size"}
        yield from file.all({label: ("sets", "scores", key) for label, key in measured.items()})
        for place, rule in enumerate(GuaranteeDetails.read(file.file).patients):
            row = replace(file, subject=f"{one.name}, sensitivity {rule.wanted:g}")
            names = ("confidence", "sensitivity", "specificity", "withheld")
            yield from row.all({f"{name} over groups": ("patients", str(place), name) for name in names})


@resolver
def external(project: Project) -> Facts:
    """Another laboratory."""
    for name, one in project.results.externals.items():
        details = one.details
        file = Source(name, paths.External(name).details, details.plain)
        labels = {"model": "model", "images of": "dataset", "images": "images", "groups": "groups"}
        yield from file.all({label: (key,) for label, key in labels.items()})
        for key in details.metrics:
            metric = find(key)
            row = replace(file, subject=f"{name}, {metric.name if metric else key}")
            for label, part in {"internal test": "home", "there": "there", "drop": "drop"}.items():
                for fact in row.fact(label, "metrics", key, part):
                    yield replace(fact, text=estimate(fact.value, metric.digits if metric else 3))


@resolver
def ensembles(project: Project) -> Facts:
    """Networks whose mean is the model."""
    for one in project.classifiers:
        if found := Ensemble.read(one.files.model):
            file = Source(one.name, one.files.model / ENSEMBLE, found.model_dump(mode="json"))
            labels = {"networks by": "kind", "rule chosen on": "chosen_on", "performance is": "performance"}
            yield from file.all({label: (key,) for label, key in labels.items()})


@resolver
def suspects(project: Project) -> Facts:
    """Labels that the model doubts."""
    folders = {
        **{one.name: paths.Audit(one.name).folder for one in project.datasets},
        **{one.name: one.files.results for one in project.classifiers},
    }
    for name, folder in folders.items():
        path = folder / paths.HOW_SUSPECTED
        if path.is_file():
            file = Source(name, path, SuspectsSummary.read(path).plain)
            labels = {"images judged": "images", "suspects": "suspects", "by": "by", "withheld": "withheld"}
            yield from file.all({label: (key,) for label, key in labels.items()})
            yield from file.fact("balanced accuracy of the judgement", "accuracy")
            yield from file.fact("not judged, beside test images", "beside_test")


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
