"""A whole search: its trials, and with outer folds the same search again inside each; read it from top to bottom."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from optuna.storages import BaseStorage

from cytopipe.core.params import Search
from cytopipe.metrics.intervals import Measured
from cytopipe.results.search import FoldResult
from cytopipe.search.folds import inner_parts, outer_folds
from cytopipe.search.learner import Learner, Part
from cytopipe.search.space import check_arguments, configure
from cytopipe.search.storage import open_storage
from cytopipe.search.trials import Trials
from cytopipe.training.folds import Fold

logger = logging.getLogger("cytopipe")


@dataclass(frozen=True)
class SearchJob:
    """A search and its surroundings.

    Attributes:
        name: its name in params.yaml.
        search: its parameters.
        learner: trains networks.
        folder: of storage and checkpoints, which several processes may share.
        key: what determines the trials.
        tell: called with a sentence for each trial that ends.
    """

    name: str
    search: Search
    learner: Learner
    folder: Path
    key: str = ""
    tell: Callable[[str], None] = logger.info

    @property
    def where(self) -> str:
        """Key of params.yaml, for messages."""
        return f"searches.{self.name}.folds"


@dataclass(frozen=True)
class Searched:
    """What a search found.

    Attributes:
        trials: the trials on all training and validation images.
        flat: objective of the best one in the inner folds that chose it.
        nested: the same of the whole search, on images that no step of it saw; None without outer folds.
        folds: the outer folds.
    """

    trials: Trials
    flat: Measured
    nested: Measured | None
    folds: tuple[FoldResult, ...]


def work(job: SearchJob) -> None:
    """Work on the trials of a search until all are finished; several processes may do so at once.

    Raises:
        CytopipeError: there are too few groups, or no trial could be trained.
    """
    for _, trials in _studies(job):
        trials.run()


def search(job: SearchJob) -> Searched:
    """Run a search, or what is left of it, and estimate how good its result is.

    Raises:
        CytopipeError: there are too few groups, or no trial could be trained.
    """
    found, tested, answers = list[FoldResult](), list[np.ndarray](), list[np.ndarray]()
    for fold, trials in _studies(job):
        trials.run()
        if fold is None:
            break
        answers.append(_test(job, trials, fold))
        tested.append(fold.test)
        best = trials.best
        found.append(
            FoldResult(
                fold=len(found),
                images=len(fold.test),
                inner=trials.sign * _value(best.value),
                outer=job.learner.judge(fold.test, answers[-1]).value,
                found=trials.found(best),
            )
        )
    flat = job.learner.judge(*trials.answers(trials.best))
    nested = job.learner.judge(np.concatenate(tested), np.concatenate(answers)) if tested else None
    return Searched(trials, flat, nested, tuple(found))


def _studies(job: SearchJob) -> Iterator[tuple[Fold | None, Trials]]:
    """The trials inside each outer fold, with that fold, and last those on all images."""
    check_arguments(job.search, job.learner, job.name)
    folds: list[Fold | None] = [None]
    if outer := job.search.folds.outer:
        folds = [*outer_folds(job.learner, outer, job.search.seed, f"{job.where}.outer"), None]
    storage = open_storage(job.folder)
    for number, fold in enumerate(folds):
        yield fold, _trials(job, storage, (number + 1) % len(folds), fold, len(folds))


def _trials(job: SearchJob, storage: BaseStorage, number: int, fold: Fold | None, studies: int) -> Trials:
    """One study; the one on all images has the number 0 whether or not there are outer folds."""
    everything = np.arange(len(job.learner.labels))
    images = everything if fold is None else np.sort(np.concatenate([fold.train, fold.validation]))
    search = job.search
    return Trials(
        job.name,
        number,
        search,
        job.learner,
        inner_parts(job.learner, images, search.folds.inner, search.seed, f"{job.where}.inner"),
        job.folder / str(number),
        storage,
        job.key,
        job.tell if fold is None else lambda text: job.tell(f"outer fold {number - 1}: {text}"),
        None if search.minutes is None else search.minutes / studies,
    )


def _test(job: SearchJob, trials: Trials, fold: Fold) -> np.ndarray:
    """What the best parameters of an outer fold, trained on its images, say of the images outside."""
    config = configure(job.learner, trials.found(trials.best), job.name)
    assert config.training is not None  # the base has one
    folder = trials.folder / "checkpoints" / "outer"
    trained = job.learner.advance(
        config, Part(fold.train, fold.validation), config.training.epochs, folder, asked=fold.test
    )
    assert trained.answers is not None  # it is finished
    return trained.answers


def _value(value: float | None) -> float:
    assert value is not None  # of a completed trial
    return value
