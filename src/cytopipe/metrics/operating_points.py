"""Operating points of abnormal against normal: thresholds chosen on validation images, reported on test images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest
from sklearn import metrics as sk

from cytopipe.errors import CytopipeError
from cytopipe.metrics.checks import check_scores
from cytopipe.metrics.clusters import ratio
from cytopipe.metrics.intervals import Measured, measured

SPECIFICITIES = (0.9, 0.95, 0.99)


def wilson(successes: int, trials: int, level: float = 0.95) -> dict[str, float] | None:
    """Wilson score interval of a proportion (Wilson 1927); None without trials."""
    if not trials:
        return None
    limits = binomtest(successes, trials).proportion_ci(level, method="wilson")
    return {"low": float(limits.low), "high": float(limits.high)}


def threshold_at_specificity(scores: np.ndarray, abnormal: np.ndarray, specificity: float) -> float:
    """Find the lowest threshold that reaches a specificity.

    Args:
        scores: N probabilities of abnormal; an image whose score reaches the threshold is called abnormal.
        abnormal: N booleans, the truth.
        specificity: share of normal images to be called normal, above 0 and at most 1.

    Raises:
        CytopipeError: if there is no normal image, or a score is not finite.
    """
    if not np.isfinite(scores).all():
        raise CytopipeError("some scores are not finite", hint="train the classifier again")
    normal = np.sort(scores[~abnormal])
    if not len(normal):
        raise CytopipeError("no normal image to choose a threshold on", hint="give the validation split some")
    # A rounding error must not require one image more: 0.9 of 10 is 9.
    needed = int(np.ceil(specificity * len(normal) - 1e-9))
    return float(np.nextafter(normal[needed - 1], np.inf))


def operating_point(
    scores: np.ndarray, abnormal: np.ndarray, threshold: float | np.ndarray, groups: Sequence[str]
) -> dict[str, Measured]:
    """Sensitivity and specificity with intervals over groups, at one threshold for all images or one per image.

    Sensitivity is None without abnormal images, specificity without normal images.

    Raises:
        CytopipeError: if there are no images or a score is not finite; the functions below raise it too.
    """
    check_scores(abnormal, scores)
    called = scores >= threshold
    right = {"sensitivity": (called & abnormal, abnormal), "specificity": (~called & ~abnormal, ~abnormal)}
    return {
        name: measured(ratio(hits.astype(float), whole.astype(float), groups)) for name, (hits, whole) in right.items()
    }


def precision_recall_rows(scores: np.ndarray, abnormal: np.ndarray) -> list[dict[str, float]]:
    """Points of the precision-recall curve, from high thresholds to low; none without abnormal images."""
    check_scores(abnormal, scores)
    if not abnormal.any():
        return []
    precision, recall, _ = sk.precision_recall_curve(abnormal, scores)
    return [{"recall": float(r), "precision": float(p)} for p, r in zip(precision[::-1], recall[::-1], strict=True)]


def decision_curve_rows(scores: np.ndarray, abnormal: np.ndarray, points: int = 99) -> list[dict[str, float]]:
    """Decision curve: net benefit by threshold probability (Vickers and Elkin 2006, doi:10.1177/0272989X06295361).

    An image is acted on if its score reaches the threshold probability p; a false positive costs p / (1 - p) of the
    benefit of a true positive. `all` acts on every image; acting on none has a net benefit of 0.
    """
    check_scores(abnormal, scores)
    share, rows = float(abnormal.mean()), []
    for p in np.linspace(0, 1, points + 2)[1:-1]:
        called, odds = scores >= p, p / (1 - p)
        benefit = (called & abnormal).mean() - odds * (called & ~abnormal).mean()
        rows.append({"threshold": float(p), "model": float(benefit), "all": share - float(odds) * (1 - share)})
    return rows
