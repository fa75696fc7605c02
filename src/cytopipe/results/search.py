"""Results of searches, which the stage `search` writes."""

from __future__ import annotations

from cytopipe.results.contract import Contract, Record
from cytopipe.results.numbers import Estimate


class FoldResult(Record):
    """An outer fold: what the search inside it found, and what that gives on the images outside.

    Attributes:
        fold: number.
        images: number of tested images.
        inner: objective of the best trial in the inner folds.
        outer: objective on the tested images.
        found: values of the best trial, by path.
    """

    fold: int
    images: int
    inner: float
    outer: float | None
    found: dict[str, object]


class SearchResult(Contract):
    """A search.

    Attributes:
        kind: classifier or segmenter.
        base: key of the network whose parameters were varied.
        dataset: its dataset.
        objective: name of the measure.
        images, groups: training and validation images, and their groups.
        inner_folds, outer_folds: numbers of folds; 0 outer folds: not nested.
        trials: number of trials; of these `completed` ran to the last epoch, `stopped` were halved away, and `failed`
            could not be trained.
        epochs_trained, epochs_full: epochs of all trials in one fold, and those without halving.
        best: slot of the best trial.
        found: its values, by path.
        flat: its objective in the inner folds that chose it: optimistic, the more trials the more.
        nested: the same objective of the whole search on images that no step of it saw; None where not nested.
        folds: the outer folds.
        importance: share of the variation of the objective that each parameter explains.
    """

    kind: str
    base: str
    dataset: str
    objective: str
    images: int
    groups: int
    inner_folds: int
    outer_folds: int
    trials: int
    completed: int
    stopped: int
    failed: int
    epochs_trained: int
    epochs_full: int
    best: int
    found: dict[str, object]
    flat: Estimate
    nested: Estimate | None
    folds: tuple[FoldResult, ...]
    importance: dict[str, float]
