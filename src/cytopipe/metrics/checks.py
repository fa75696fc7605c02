"""The check that every metric makes of its input: at least one image, and finite scores."""

from __future__ import annotations

import numpy as np

from cytopipe.errors import CytopipeError


def check_scores(truth: np.ndarray, scores: np.ndarray) -> None:
    """Raise an error for input that no metric is defined for; NaN scores could otherwise yield plausible numbers.

    Args:
        truth: N class indices or booleans.
        scores: N, or N x classes.

    Raises:
        CytopipeError: if there are no images, or a score is not finite.
    """
    if len(truth) == 0:
        raise CytopipeError("the test split has no images")
    finite = np.isfinite(scores)
    if not finite.all():
        bad = int((~finite.reshape(len(truth), -1).all(axis=1)).sum())
        raise CytopipeError(f"{bad} of {len(truth)} predictions are not finite", hint="retrain the classifier")
