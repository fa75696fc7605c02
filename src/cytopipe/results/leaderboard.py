"""leaderboard.json: one ranking for each dataset, with paired differences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import ConfigDict, Field

from cytopipe.results.contract import Collection, Record
from cytopipe.results.numbers import Estimate, Estimates, Interval, Spread
from cytopipe.results.patients import PatientEvaluation

CHOSEN_BY_ITS_TEST = (
    "These predictions, each by a network that was not trained on the image, are also the test: the estimate of the "
    "chosen one is slightly optimistic where there were several."
)


class Difference(Record):
    """Accuracy of one classifier minus that of another on the same images, and the only verdict on it.

    `interval` is at the level of its step in Holm's procedure over all pairs of the ranking, so that it excludes 0
    exactly where the difference is `resolved`; None under 5 groups, which resolve nothing.
    """

    accuracy_difference: float
    interval: Interval | None
    resolved: bool


class PatientNumbers(Record):
    """Answers for whole groups of test images: AUC, and sensitivity and specificity at the threshold of validation.

    `why` is the reason why there are no numbers; `rule` is in words.
    """

    rule: str
    groups: int
    abnormal: int
    wanted_specificity: float
    auc: Estimate | None
    sensitivity: Estimate | None
    specificity: Estimate | None
    why: str = ""

    @classmethod
    def of(cls, found: PatientEvaluation) -> Self:
        """Select the numbers of an evaluation."""
        names = ("groups", "abnormal", "wanted_specificity", "auc", "sensitivity", "specificity", "why")
        return cls(rule=found.rule.words, **{name: getattr(found, name) for name in names})


class RankedClassifier(Record):
    """One row of a ranking; `seeds` is the spread of its accuracy over seeds, None for a single network.

    `validation` is the accuracy on the validation images; None for a cross-validation.

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
    validation: float | None = None
    patients: PatientNumbers | None = Field(None, exclude_if=lambda value: value is None)
    against_best: Difference | None


class Pair(Difference):
    """Two classifiers, and the p-values of their difference after Holm's correction.

    `p` is that of the cluster t-test over groups, None under 5 groups; McNemar's takes images to be independent.
    """

    first: str
    second: str
    p: float | None
    p_mcnemar: float


class MaskEffect(Difference):
    """A classifier with mask channels against one that differs in nothing else."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    with_masks: str = Field(alias="with")
    without: str
    channels: str


class Choice(Record):
    """The classifier for the registry, chosen on so many images of so many groups, and the reason.

    They are validation images; for cross-validated classifiers all images, by their out-of-fold predictions.
    """

    name: str
    reason: str
    images: int
    groups: int


class Ranking(Record):
    """The classifiers of one dataset, best test accuracy first; `equals` are groups without a significant difference.

    `chosen` was chosen on validation images, so that the test chooses nothing. Cross-validated classifiers, which have
    no others, are chosen by their out-of-fold predictions, and the leaderboard says so.
    """

    test_images: int
    test_groups: int
    classifiers: tuple[RankedClassifier, ...]
    pairs: tuple[Pair, ...]
    equals: tuple[tuple[str, ...], ...]
    masks: tuple[MaskEffect, ...]
    chosen: Choice | None = None

    @property
    def crossvalidated(self) -> bool:
        """Whether each image was tested by the network of its fold."""
        return any(row.settings.get("folds") for row in self.classifiers)

    @property
    def best(self) -> RankedClassifier:
        """The first of the ranking."""
        return self.classifiers[0]


class Leaderboard(Collection[dict[str, Ranking]]):
    """Every ranking by its title: the dataset and, for cross-validated classifiers, the number of folds."""
