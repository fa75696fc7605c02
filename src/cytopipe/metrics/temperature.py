"""Temperature scaling: one number that turns scores into honest confidences."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

_WIDEST = math.log(1e3)  # temperatures that are tried, both ways, relative to the logits' own deviation
SMALLEST = 1e-12  # probabilities below it count as this, so that their logarithm is finite


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The divisor of N x C logits that makes N labels most likely (Guo 2017, arXiv:1706.04599).

    Each class is counted once more than it is seen, as Platt (1999) does: labels that the logits tell apart without
    a fault would else ask for a temperature of 0.
    """
    count, classes = logits.shape
    shares = (count * np.eye(classes)[labels] + 1) / (count + classes)
    scale = float(logits.std()) or 1.0

    def surprise(log_temperature: float) -> float:
        logs = log_softmax(logits / (scale * math.exp(log_temperature)), axis=1)
        return -float((shares * logs).sum(axis=1).mean())

    found = minimize_scalar(surprise, bounds=(-_WIDEST, _WIDEST), method="bounded", options={"xatol": 1e-6})
    return scale * math.exp(found.x)


def logits_of(probabilities: np.ndarray) -> np.ndarray:
    """Logits whose softmax is the probabilities, N x classes."""
    logits: np.ndarray = np.log(np.clip(probabilities, SMALLEST, 1))
    return logits


def sharpen(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """The softmax of the logits divided by the temperature; above 1 it takes confidence away, N x classes."""
    scaled: np.ndarray = softmax(logits_of(probabilities) / temperature, axis=1)
    return scaled
