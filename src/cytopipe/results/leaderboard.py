"""leaderboard.json: one ranking for each dataset, with paired differences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field

from cytopipe.results.contract import Collection, Record
from cytopipe.results.numbers import Estimates, Interval, Spread


class Difference(Record):
    """Accuracy of one classifier minus that of another on the same images; no interval if there is one group."""

    accuracy_difference: float
    interval: Interval | None


class RankedClassifier(Record):
    """One row of a ranking; `seeds` is the spread of its accuracy over seeds, None for a single network.

    `settings` are all its parameters but the channels. They make the leaderboard change with every one of them, so that
    the report, which prints them, need not depend on them a second time.
    """

    name: str
    settings: Mapping[str, Any]
    architecture: str
    channels: str
    parameters: int
    metrics: Estimates
    seeds: Spread | None
    against_best: Difference | None


class Pair(Difference):
    """Two classifiers, and whether their difference is significant; `p_bootstrap` is None if there is one group."""

    first: str
    second: str
    p_bootstrap: float | None
    p_mcnemar: float
    resolved: bool


class MaskEffect(Difference):
    """A classifier with mask channels against one that differs in nothing else."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    with_masks: str = Field(alias="with")
    without: str
    channels: str


class Ranking(Record):
    """The classifiers of one dataset, best accuracy first; `equals` are groups without a significant difference."""

    test_images: int
    test_groups: int
    classifiers: tuple[RankedClassifier, ...]
    pairs: tuple[Pair, ...]
    equals: tuple[tuple[str, ...], ...]
    masks: tuple[MaskEffect, ...]

    @property
    def best(self) -> RankedClassifier:
        """The first of the ranking."""
        return self.classifiers[0]


class Leaderboard(Collection[dict[str, Ranking]]):
    """Every ranking by its title: the dataset and, for cross-validated classifiers, the number of folds."""
