from __future__ import annotations

import numpy as np
import pytest

from cytopipe.metrics.patients import expit
from cytopipe.metrics.platt import fit_line


def test_a_logistic_model_is_found_again() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(40, 5, 20_000)
    line = fit_line(scores, rng.random(20_000) < expit(0.3 * scores - 11))
    assert line.slope == pytest.approx(0.3, abs=0.02) and line.intercept == pytest.approx(-11, abs=0.8)


def test_separated_groups_have_a_finite_line() -> None:
    line = fit_line(np.array([-700.0, -2, -1, 1, 2]), np.array([False, False, False, True, True]))
    assert 0 < line.slope < 20 and np.isfinite(line.loss)
    assert expit(line(np.array([2.0])))[0] < 0.9  # of two groups, nobody knows more


@pytest.mark.parametrize("scores", [[3.0, 2, 1, 0], [1.0, 1, 1, 1]])
def test_calibration_never_turns_the_order_round(scores: list[float]) -> None:
    line = fit_line(np.array(scores), np.array([False, False, True, True]))
    assert line.slope > 0
    assert expit(line(np.array(scores))) == pytest.approx([0.5] * 4, abs=0.01)
