"""Abnormal or normal, at a threshold: chosen on the validation split, reported on the test split."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import binomtest
from sklearn import metrics as sk

from cytopipe.errors import CytopipeError
from cytopipe.metrics.checks import check_scores

SPECIFICITIES = (0.9, 0.95, 0.99)


def wilson(successes: int, trials: int, level: float = 0.95) -> dict[str, float] | None:
    """Wilson's interval of a proportion; None for no trials."""
    if not trials:
        return None
    limits = binomtest(successes, trials).proportion_ci(level, method="wilson")
    return {"low": float(limits.low), "high": float(limits.high)}


def threshold_at_specificity(scores: np.ndarray, abnormal: np.ndarray, specificity: float) -> float:
    """The lowest threshold that calls at least this share of normal images normal.

    Args:
        scores: N, probability of abnormal; a score at or above the threshold is called abnormal.
        abnormal: N booleans, the truth.
        specificity: wanted, above 0 and at most 1.

    Raises:
        CytopipeError: when there is no normal image, or a score is not finite.
    """
    if not np.isfinite(scores).all():
        raise CytopipeError("some scores are not finite", hint="train the classifier again")
    normal = np.sort(scores[~abnormal])
    if not len(normal):
        raise CytopipeError("no normal image to choose a threshold on", hint="give the validation split some")
    # Rounding must not ask for one image more: 0.9 of 10 is 9.
    needed = int(np.ceil(specificity * len(normal) - 1e-9))
    return float(np.nextafter(normal[needed - 1], np.inf))


def operating_point(scores: np.ndarray, abnormal: np.ndarray, threshold: float | np.ndarray) -> dict[str, Any]:
    """Sensitivity and specificity at a threshold, or at one for each image, with Wilson's intervals.

    They are None where there is no abnormal, or no normal, image.

    Raises:
        CytopipeError: for no images or scores that are not finite; so do the curves below.
    """
    check_scores(abnormal, scores)
    called = scores >= threshold
    counts = {
        "sensitivity": (int((called & abnormal).sum()), int(abnormal.sum())),
        "specificity": (int((~called & ~abnormal).sum()), int((~abnormal).sum())),
    }
    result: dict[str, Any] = {}
    for name, (right, total) in counts.items():
        result[name] = right / total if total else None
        result[f"{name}_interval"] = wilson(right, total)
    return result


def precision_recall_rows(scores: np.ndarray, abnormal: np.ndarray) -> list[dict[str, float]]:
    """Points of the precision-recall curve from high thresholds to low; none without abnormal images."""
    check_scores(abnormal, scores)
    if not abnormal.any():
        return []
    precision, recall, _ = sk.precision_recall_curve(abnormal, scores)
    return [{"recall": float(r), "precision": float(p)} for p, r in zip(precision[::-1], recall[::-1], strict=True)]


def decision_rows(scores: np.ndarray, abnormal: np.ndarray, points: int = 99) -> list[dict[str, float]]:
    """Net benefit against the threshold probability (Vickers 2006, doi:10.1177/0272989X06295361).

    An image is acted on where its score reaches the threshold probability p; a needless act costs p / (1 - p) of what
    a needed one is worth. `all` acts on every image; acting on none is worth 0.
    """
    check_scores(abnormal, scores)
    share, rows = float(abnormal.mean()), []
    for p in np.linspace(0, 1, points + 2)[1:-1]:
        called, odds = scores >= p, p / (1 - p)
        benefit = (called & abnormal).mean() - odds * (called & ~abnormal).mean()
        rows.append({"threshold": float(p), "model": float(benefit), "all": share - float(odds) * (1 - share)})
    return rows
