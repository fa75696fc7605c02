"""A finished project as the resolvers see it: the content of each of its files, read once by the file's only reader."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from cytopipe import paths
from cytopipe.core.params import Params, load_params
from cytopipe.core.params.text import read_yaml
from cytopipe.core.pipeline.machine import Machine
from cytopipe.core.pipeline.tracking.provenance import git_commit
from cytopipe.dossier.facts import Fact, Source, look_up
from cytopipe.errors import CytopipeError
from cytopipe.models.files import fold_part
from cytopipe.report.provenance import parameters
from cytopipe.report.read import ClassifierResults, DatasetResults, Results, SegmenterResults, read_results
from cytopipe.results.contract import Contract
from cytopipe.results.model_spec import SPEC, ModelSpec
from cytopipe.results.tensors import TensorsSummary
from cytopipe.sources.recipe import load_recipe

# Written by a run or by the author; changes in them do not make the commit dirty.
IGNORED_CHANGES = ("dvc.lock", "params.yaml", "dossier.yaml", "docs", "README.md", "workflow/record.json")


@dataclass(frozen=True)
class Project:
    """The results of a finished run in the current folder."""

    results: Results

    @classmethod
    def read(cls, classifier: str | None = None) -> Project:
        """Read the project in the current folder.

        Args:
            classifier: leave out the other classifiers, and what they alone use; None keeps all.

        Raises:
            CytopipeError: if the run is not finished, or there is no such classifier.
        """
        params = load_params(paths.PARAMS)
        results = read_results(params)
        return cls(results if classifier is None else only(results, classifier))

    @property
    def params(self) -> Params:
        """Parameters of the run."""
        return self.results.params

    @property
    def datasets(self) -> list[DatasetResults]:
        """The datasets, in the order of params.yaml."""
        return list(self.results.datasets.values())

    @property
    def segmenters(self) -> list[SegmenterResults]:
        """The segmenters, in the order of params.yaml."""
        return list(self.results.segmenters.values())

    @property
    def classifiers(self) -> list[ClassifierResults]:
        """The classifiers, in the order of params.yaml."""
        return list(self.results.classifiers.values())

    @cached_property
    def _given(self) -> dict[str, Any]:
        return read_yaml(paths.PARAMS)

    @cached_property
    def _parameters(self) -> dict[str, Any]:
        return parameters(self.params)

    def parameter(self, subject: str, label: str, *key: str, text: str | None = None) -> list[Fact]:
        """A parameter, marked as a default where params.yaml does not give it; none where it is None."""
        found = Source(subject, paths.PARAMS, self._parameters).fact(label, *key, text=text)
        default = look_up(self._given, key) is None
        return [replace(fact, default=default) for fact in found]

    def parameters(self, subject: str, start: tuple[str, ...], labels: Mapping[str, str]) -> list[Fact]:
        """Several parameters below one key, as label and dotted key."""
        return [
            fact for label, key in labels.items() for fact in self.parameter(subject, label, *start, *key.split("."))
        ]

    @property
    def leaderboard(self) -> Source:
        """leaderboard.json."""
        return Source("", paths.LEADERBOARD_JSON, self.results.leaderboard.plain)

    def recipe(self, dataset: DatasetResults) -> Source | None:
        """The recipe that a dataset was fetched by; None if it was not, or the recipe lies outside the project."""
        source = dataset.config.source
        if source.kind not in ("url", "git") or source.path.is_absolute() or not source.path.is_file():
            return None
        return Source(dataset.name, source.path, load_recipe(source.path).model_dump(mode="json"))

    def tensors(self, dataset: DatasetResults) -> Source | None:
        """summary.json of a dataset's tensors; None if it is not there."""
        return _source(dataset.name, paths.Tensors(dataset.name).summary, TensorsSummary)

    def specs(self) -> Iterator[tuple[ClassifierResults | SegmenterResults, Source]]:
        """model.json of every segmenter and classifier that has one; of a cross-validation, that of the first fold."""
        models: list[ClassifierResults | SegmenterResults] = [*self.segmenters, *self.classifiers]
        for one in models:
            folders = (one.files.model, one.files.model / fold_part(0))
            file = next((folder / SPEC for folder in folders if (folder / SPEC).is_file()), None)
            if file is not None:
                yield one, Source(one.name, file, json.loads(ModelSpec.read(file).to_json()))

    def machine(self, label: str, subject: str) -> Source | None:
        """The machine that a stage ran on; None where it was not recorded."""
        found = Machine.of_stage(label)
        return Source(subject, paths.PROVENANCE / f"{label}.json", found.model_dump(mode="json")) if found else None

    def commit(self) -> list[Fact]:
        """The git commit of the code; none outside a repository."""
        commit = git_commit(Path(), IGNORED_CHANGES)
        text = commit and commit.replace("-dirty", ", with changes that are not committed")
        return [Fact("", "git commit", commit, Path(".git"), ("HEAD",), str(text))] if commit else []


def summary(dataset: DatasetResults) -> Source:
    """summary.json of an organized dataset."""
    return Source(dataset.name, paths.Organized(dataset.name).summary, dataset.summary.plain)


def manifest(dataset: DatasetResults) -> Source:
    """manifest.csv of an organized dataset; what it holds is counted by the resolvers."""
    return Source(dataset.name, paths.Organized(dataset.name).manifest, None)


def audit(dataset: DatasetResults) -> Source | None:
    """audit.json; None if the dataset was not audited."""
    return Source(dataset.name, paths.Audit(dataset.name).findings, dataset.audit.plain) if dataset.audit else None


def details(one: ClassifierResults | SegmenterResults) -> Source:
    """details.json of a model."""
    return Source(one.name, one.files.details, one.details.plain)


def predictions(one: ClassifierResults) -> Source:
    """predictions.csv of a classifier; what it holds is counted by the resolvers."""
    return Source(one.name, one.files.predictions, None)


def explanations(one: ClassifierResults) -> Source | None:
    """explanations.json; None if the classifier was not explained."""
    return Source(one.name, paths.Explained(one.name).summary, one.explanations.plain) if one.explanations else None


def only(results: Results, classifier: str) -> Results:
    """The results of one classifier, its dataset and its segmenter.

    Raises:
        CytopipeError: if there is no such classifier.
    """
    if classifier not in results.classifiers:
        raise CytopipeError(
            f"there is no classifier '{classifier}'", where="--classifier", hint=", ".join(results.classifiers)
        )
    config = results.classifiers[classifier].config
    segmenter = results.datasets[config.dataset].config.segmenter if config.channels != "rgb" else None
    datasets = {config.dataset, *([results.segmenters[segmenter].config.dataset] if segmenter else [])}
    return replace(
        results,
        datasets={name: one for name, one in results.datasets.items() if name in datasets},
        segmenters={name: one for name, one in results.segmenters.items() if name == segmenter},
        classifiers={classifier: results.classifiers[classifier]},
        screenings={name: one for name, one in results.screenings.items() if one.config.classifier == classifier},
        externals={
            name: one for name, one in results.externals.items() if one.details.model in (classifier, segmenter)
        },
    )


def _source(subject: str, file: Path, kind: type[Contract]) -> Source | None:
    return Source(subject, file, kind.read(file).plain) if file.is_file() else None


def file_fact(subject: str, label: str, file: Path, text: str) -> list[Fact]:
    """A file that is itself the answer, such as a figure; none if it is not there."""
    return [Fact(subject, label, None, file, (), text)] if file.exists() else []
