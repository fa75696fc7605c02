"""What every metric asks of its input: some images, and scores that are numbers."""

from __future__ import annotations

import numpy as np

from cytopipe.errors import CytopipeError


def check_scores(truth: np.ndarray, scores: np.ndarray) -> None:
    """Refuse what no metric is defined for; a NaN would else end as a number of correct look.

    Args:
        truth: N labels.
        scores: N, or N x classes.

    Raises:
        CytopipeError: when there is nothing to measure, or a score is not finite.
    """
    if len(truth) == 0:
        raise CytopipeError("the test split has no images")
    finite = np.isfinite(scores)
    if not finite.all():
        bad = int((~finite.reshape(len(truth), -1).all(axis=1)).sum())
        raise CytopipeError(f"{bad} of {len(truth)} predictions are not finite", hint="retrain the classifier")
