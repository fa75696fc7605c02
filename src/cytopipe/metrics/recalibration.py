"""What recalibration on a few patients of a new laboratory would give: fitted on some groups, tested on the others.

The network stays as it is. Two maps of its calibrated probabilities are fitted: another temperature, and a temperature
with a shift of each class's logit, which also corrects for another mix of classes (Platt 1999 for many classes; the
vector scaling of Guo 2017, arXiv:1706.04599, with one slope). Both are penalised, so that five patients do not move it
far.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cytopipe.metrics.calibration import brier_score, log_loss
from cytopipe.metrics.clusters import LEAST_GROUPS, positions
from cytopipe.metrics.scores import accuracy
from cytopipe.metrics.temperature import fit_temperature, logits_of

PATIENTS = (2, 5, 10)  # groups that are drawn
DRAWS = 40
SPREAD = (0.025, 0.975)
_PENALTY = 1.0  # standard deviation of the logarithm of the slope, and of the shifts, in their prior

Map = Callable[[np.ndarray], np.ndarray]
MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": accuracy,
    "brier": brier_score,
    "log_loss": log_loss,
}


@dataclass(frozen=True)
class Gain:
    """A metric on the groups that were not drawn, means over the draws, and where 95 % of the changes lie."""

    before: float
    after: float
    low: float
    high: float


@dataclass(frozen=True)
class Trial:
    """One map fitted on so many groups.

    Attributes:
        method: key of METHODS.
        groups: number of groups that were drawn.
        images: mean number of their images.
        draws: number of draws; 0 where too few groups would be left to test on.
        gains: by key of MEASURES; empty without draws.
    """

    method: str
    groups: int
    images: float
    draws: int
    gains: dict[str, Gain]


def recalibration(
    truth: np.ndarray, probabilities: np.ndarray, groups: Sequence[str], draws: int = DRAWS, seed: int = 0
) -> list[Trial]:
    """Try every map on 2, 5 and 10 groups, drawn with a fixed seed.

    Args:
        truth: N class indices.
        probabilities: N x classes, calibrated as the model does it.
        groups: N groups; at least 5 must be left to test on.
        draws: number of draws of groups.
        seed: of the draws.
    """
    number = positions(groups)
    count = int(number.max()) + 1
    logits = logits_of(probabilities)
    found = []
    for patients in PATIENTS:
        if count - patients < LEAST_GROUPS:
            found += [Trial(method, patients, 0.0, 0, {}) for method in METHODS]
            continue
        rng = np.random.default_rng([seed, patients])
        chosen = [np.isin(number, rng.permutation(count)[:patients]) for _ in range(draws)]
        for method, fit in METHODS.items():
            found.append(_trial(method, fit, patients, chosen, truth, logits))
    return found


def _trial(
    method: str,
    fit: Callable[[np.ndarray, np.ndarray], Map],
    patients: int,
    chosen: Sequence[np.ndarray],
    truth: np.ndarray,
    logits: np.ndarray,
) -> Trial:
    before: dict[str, list[float]] = {key: [] for key in MEASURES}
    after: dict[str, list[float]] = {key: [] for key in MEASURES}
    for drawn in chosen:
        apply = fit(logits[drawn], truth[drawn])
        rest, plain, mapped = truth[~drawn], _softmax(logits[~drawn]), apply(logits[~drawn])
        for key, measure in MEASURES.items():
            before[key].append(measure(rest, plain))
            after[key].append(measure(rest, mapped))
    gains = {}
    for key in MEASURES:
        low, high = np.quantile(np.subtract(after[key], before[key]), SPREAD)
        gains[key] = Gain(float(np.mean(before[key])), float(np.mean(after[key])), float(low), float(high))
    images = float(np.mean([drawn.sum() for drawn in chosen]))
    return Trial(method, patients, images, len(chosen), gains)


def fit_another_temperature(logits: np.ndarray, truth: np.ndarray) -> Map:
    """A map of N x classes logits to probabilities: one more temperature."""
    temperature = fit_temperature(logits, truth)
    return lambda values: _softmax(values / temperature)


def fit_slope_and_shifts(logits: np.ndarray, truth: np.ndarray) -> Map:
    """A map of N x classes logits to probabilities: one slope, and a shift of each class, by penalised likelihood."""
    from scipy.optimize import minimize

    wanted = np.eye(logits.shape[1])[truth]

    def surprise(values: np.ndarray) -> tuple[float, np.ndarray]:
        slope, shifts = np.exp(values[0]), values[1:]
        likely = _softmax(slope * logits + shifts)
        error = likely - wanted
        loss = -np.log(np.clip(likely[np.arange(len(truth)), truth], 1e-300, None)).sum()
        gradient = np.concatenate([[slope * (error * logits).sum()], error.sum(axis=0)])
        return float(loss + (values**2).sum() / (2 * _PENALTY**2)), gradient + values / _PENALTY**2

    best = minimize(surprise, np.zeros(logits.shape[1] + 1), jac=True, method="L-BFGS-B").x
    return lambda values: _softmax(np.exp(best[0]) * values + best[1:])


METHODS: dict[str, Callable[[np.ndarray, np.ndarray], Map]] = {
    "temperature": fit_another_temperature,
    "slope_and_shifts": fit_slope_and_shifts,
}


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return shares
