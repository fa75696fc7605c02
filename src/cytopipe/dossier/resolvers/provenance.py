"""Facts of the project: code, versions, machine, files for others."""

from __future__ import annotations

from pathlib import Path

from cytopipe import paths
from cytopipe.dossier.facts import Source
from cytopipe.dossier.lock import LOCK, read_lock
from cytopipe.dossier.project import Project, file_fact
from cytopipe.dossier.resolvers.registry import Facts, resolver
from cytopipe.models.files import SUMS
from cytopipe.report.provenance import LIBRARIES
from cytopipe.report.read import weight_hashes


@resolver
def software(project: Project) -> Facts:
    """Software."""
    if LOCK.is_file():
        pinned = read_lock(LOCK)
        for name in LIBRARIES:
            yield from Source(name, LOCK, pinned).fact("version", name)
    for one in project.classifiers:
        if machine := project.machine(f"train_classifier@{one.name}", one.name):
            yield from machine.fact("Python", "python")


@resolver
def hardware(project: Project) -> Facts:
    """Machine."""
    labels = {"device": "device", "instruction set": "cpu", "threads": "num_threads"}
    yield from project.parameters("", ("runtime",), labels)
    for one in project.classifiers:
        if machine := project.machine(f"train_classifier@{one.name}", one.name):
            yield from machine.all({name: (name,) for name in ("processor", "gpu", "cores")})


@resolver
def code(project: Project) -> Facts:
    """Code."""
    yield from project.commit()
    yield from file_fact("libraries", "file", LOCK, "the exact version and the hashes of each")
    yield from file_fact("DAG", "file", Path("dvc.yaml"), "every stage with its inputs and outputs")
    yield from file_fact("terms", "file", Path("LICENSE"), "terms of the code")


@resolver
def technical(project: Project) -> Facts:
    """Technical details."""
    yield from file_fact("parameters", "file", paths.PARAMS, "every parameter of the run")
    yield from file_fact("report", "file", paths.REPORT, "every result with its figures")
    for one in project.classifiers:
        yield from file_fact(one.name, "file", paths.CARDS / f"models/{one.name}.md", "model card")
    for dataset in project.datasets:
        yield from file_fact(dataset.name, "file", paths.CARDS / f"datasets/{dataset.name}.md", "data card")


@resolver
def weights(project: Project) -> Facts:
    """Trained models."""
    for one in project.classifiers:
        folder = one.files.model
        for name, digest in weight_hashes(folder).items():
            if name.endswith("weights.safetensors") and not name.startswith("segmenter"):
                file = folder / Path(name).parent / SUMS
                yield from Source(one.name, file, {Path(name).name: digest}).fact(
                    f"SHA-256 of {name}", Path(name).name, text=digest
                )
