"""Temperature scaling: one divisor of the logits calibrates the probabilities."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

_WIDEST = math.log(1e3)  # search range of the log temperature in both directions, relative to the logits' deviation
SMALLEST = 1e-12  # probabilities are clipped to it from below, so that their logarithm is finite


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Fit the divisor of N x classes logits that maximises the likelihood of N labels (Guo 2017, arXiv:1706.04599).

    The targets are smoothed by one image per class (Platt 1999): otherwise perfectly separated labels would lead to a
    temperature of 0.
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
    """Logits, N x classes, whose softmax gives the probabilities."""
    logits: np.ndarray = np.log(np.clip(probabilities, SMALLEST, 1))
    return logits


def apply_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Softmax of the logits divided by the temperature, N x classes; a temperature above 1 lowers the confidence."""
    scaled: np.ndarray = softmax(logits_of(probabilities) / temperature, axis=1)
    return scaled
