"""The temperature used to draw labels is recovered."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from cytopipe.metrics.temperature import fit_temperature


def test_the_temperature_used_to_draw_labels_is_recovered() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 3))
    truth = np.array([rng.choice(3, p=row) for row in softmax(logits, axis=1)])
    assert fit_temperature(3 * logits, truth) == pytest.approx(3, rel=0.05)
