"""Platt scaling: a line from scores to log odds, for scores of whole groups, of which there are few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cytopipe.metrics.patients import expit

STEPS = 100  # of Newton's method, which needs about ten
LEAST_SLOPE = 1e-3  # of standardised scores: calibration never turns the order round


@dataclass(frozen=True)
class Line:
    """log odds = slope * score + intercept, and the negative log likelihood of the labels that it was fitted to."""

    slope: float
    intercept: float
    loss: float

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Calibrated log odds of N scores."""
        return self.slope * scores + self.intercept


def fit_line(scores: np.ndarray, positive: np.ndarray) -> Line:
    """Fit the line that maximises the likelihood of labels, by Newton's method.

    The targets are smoothed by one group per class (Platt 1999): otherwise scores that separate the classes would give
    an infinite slope.

    Args:
        scores: N numbers.
        positive: N booleans, some true and some false.
    """
    count = int(positive.sum())
    target = np.where(positive, (count + 1) / (count + 2), 1 / (len(positive) - count + 2))
    centre, spread = float(scores.mean()), float(scores.std()) or 1.0
    seen = np.stack([(scores - centre) / spread, np.ones(len(scores))], axis=1)
    weights = np.array([0.0, float(np.log(target.mean() / (1 - target.mean())))])
    loss = _loss(seen @ weights, target)
    for _ in range(STEPS):
        chance = expit(seen @ weights)
        slope = seen.T @ (chance - target)
        bend = (seen * np.maximum(chance * (1 - chance), 1e-12)[:, None]).T @ seen + 1e-9 * np.eye(2)
        step, size = np.linalg.solve(bend, slope), 1.0
        while size > 1e-6 and _loss(seen @ (weights - size * step), target) > loss:
            size /= 2
        weights = weights - size * step
        before, loss = loss, _loss(seen @ weights, target)
        if before - loss < 1e-12:
            break
    if weights[0] < LEAST_SLOPE:  # the scores do not follow the labels: nearly the same answer for all
        weights = np.array([LEAST_SLOPE, float(np.log(target.mean() / (1 - target.mean())))])
        loss = _loss(seen @ weights, target)
    slope_of_scores = float(weights[0] / spread)
    return Line(slope_of_scores, float(weights[1] - slope_of_scores * centre), loss)


def _loss(odds: np.ndarray, target: np.ndarray) -> float:
    return float((np.logaddexp(0, odds) - target * odds).sum())
