"""The choice of a classifier for the registry, on validation images: the test only stands beside it.

Cross-validated classifiers have no images beside those that test them: out-of-fold predictions choose among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cytopipe.errors import CytopipeError
from cytopipe.metrics.comparison import ALPHA, holm
from cytopipe.metrics.paired import PairedDifference, paired_difference
from cytopipe.results.leaderboard import Choice
from cytopipe.results.predictions import Predictions

ROUNDED = 3  # decimals to which accuracies are equal where there are too few groups to test


@dataclass(frozen=True)
class Candidate:
    """A classifier with its predictions of the validation images, made before any refit on them.

    Where it is `crossvalidated`, they are its out-of-fold predictions of all images.
    """

    name: str
    parameters: int
    validation: Predictions
    crossvalidated: bool = False

    @property
    def accuracy(self) -> float:
        """Share of these images that it names rightly."""
        return float(self.validation.correct.mean())


def choose(candidates: Sequence[Candidate]) -> Choice | None:
    """Choose by validation accuracy; among those not told apart from the best, the network with fewest parameters.

    Told apart means below 5 % in the cluster t-test over groups after Holm's correction; under 5 groups, which cannot
    be tested, different to three decimals.

    Returns:
        The choice and its reason; None if no candidate has such predictions.

    Raises:
        CytopipeError: if two candidates have other validation images.
    """
    able = [one for one in candidates if one.validation.rows]
    if not able:
        return None
    best = min(able, key=lambda one: (-one.accuracy, one.parameters, one.name))
    others = [one for one in able if one is not best]
    found = {(best.name, one.name): difference(best, one) for one in others}
    corrected = holm({pair: one.p for pair, one in found.items() if one.p is not None})
    equals = [one for one in others if not _told_apart(best, one, corrected.get((best.name, one.name)))]
    chosen = min([best, *equals], key=lambda one: (one.parameters, -one.accuracy, one.name))
    return Choice(
        name=chosen.name,
        reason=_reason(chosen, best, len(equals)),
        images=len(best.validation.rows),
        groups=len(set(best.validation.groups)),
    )


def difference(first: Candidate, second: Candidate) -> PairedDifference:
    """Validation accuracy of `first` minus that of `second`.

    Raises:
        CytopipeError: if they have other validation images.
    """
    if first.validation.ids != second.validation.ids:
        raise CytopipeError(f"'{first.name}' and '{second.name}' were validated on different images")
    return paired_difference(first.validation.correct - second.validation.correct, first.validation.groups)


def _told_apart(best: Candidate, other: Candidate, p: float | None) -> bool:
    if p is None:
        return round(best.accuracy, ROUNDED) != round(other.accuracy, ROUNDED)
    return p < ALPHA


def _reason(chosen: Candidate, best: Candidate, equals: int) -> str:
    text = f"{'cross-validated' if chosen.crossvalidated else 'validation'} accuracy {chosen.accuracy:.3f}"
    images = "out-of-fold predictions" if chosen.crossvalidated else "validation images"
    if not equals:
        return f"{text}, the highest"
    text += f", fewest parameters ({chosen.parameters:,}) of {equals + 1} that the {images} do not tell apart"
    return text if chosen is best else f"{text} (the highest is {best.accuracy:.3f}, of {best.name})"
