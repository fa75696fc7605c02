"""A table of cost: accuracy against the processor time of the training and against parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from cytopipe import paths
from cytopipe.core.params import load_params
from cytopipe.core.pipeline.last_runs import last_run
from cytopipe.results.classifier import ClassifierDetails
from cytopipe.results.contract import Contract, Record


class Cost(Record):
    """One network: what it reached on test images, and what it cost.

    Attributes:
        accuracy, low, high: on test images, with the 95 % interval over groups; None where it is withheld.
        cpu_minutes: processor time of its training, all threads together; None if it was not recorded here.
        threads: threads of the training.
    """

    name: str
    dataset: str
    architecture: str
    images: int
    accuracy: float
    low: float | None = None
    high: float | None = None
    parameters: int
    cpu_minutes: float | None = None
    threads: int | None = None


class Costs(Contract):
    """The costs of several networks, cheapest training first; those of unknown cost come last."""

    networks: tuple[Cost, ...]

    def of(self, dataset: str) -> Sequence[Cost]:
        """Those of one dataset."""
        return [one for one in self.networks if one.dataset == dataset]

    @property
    def datasets(self) -> Sequence[str]:
        """The datasets, each once."""
        return list(dict.fromkeys(one.dataset for one in self.networks))


def costs_of(root: Path = Path()) -> Costs:
    """The costs of all finished classifiers of a project.

    Raises:
        CytopipeError: params.yaml or a result is missing or invalid.
    """
    params = load_params(root / paths.PARAMS)
    found = []
    for name in params.classifiers:
        files = paths.classifier(name)
        if not (root / files.details).is_file():
            continue
        details = ClassifierDetails.read(root / files.details)
        accuracy = details.metrics["accuracy"]
        if accuracy.value is None:
            continue
        training = last_run(f"train_classifier@{name}", root)
        found.append(
            Cost(
                name=name,
                dataset=details.dataset,
                architecture=details.architecture,
                images=details.images,
                accuracy=accuracy.value,
                low=accuracy.low,
                high=accuracy.high,
                parameters=details.parameters,
                cpu_minutes=None if training.cpu_seconds is None else training.cpu_seconds / 60,
                threads=training.threads,
            )
        )
    return Costs(networks=tuple(sorted(found, key=_place)))


def _place(one: Cost) -> tuple[float, int, str]:
    return math.inf if one.cpu_minutes is None else one.cpu_minutes, one.parameters, one.name


def front(networks: Sequence[Cost], by: str) -> set[str]:
    """Names of the networks that no other beats: as cheap or cheaper, and more accurate (Pareto).

    Args:
        networks: of one dataset.
        by: `cpu_minutes` or `parameters`; networks without this cost are in no front.
    """
    known = [(getattr(one, by), one) for one in networks if getattr(one, by) is not None]
    best, names = -1.0, set()
    for _, one in sorted(known, key=lambda pair: (pair[0], -pair[1].accuracy, pair[1].name)):
        if one.accuracy > best:
            best = one.accuracy
            names.add(one.name)
    return names
