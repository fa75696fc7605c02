from __future__ import annotations

import numpy as np

from cytopipe.metrics.recalibration import METHODS, PATIENTS, recalibration

GROUPS = [str(number // 12) for number in range(360)]  # 30 groups


def drawn(slope: float, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """True classes, and probabilities whose logits were multiplied by a slope, that of class 0 shifted besides."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(360, 3)) * 2
    likely = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(3, p=row) for row in likely])
    seen = np.exp(slope * logits + shift * np.eye(3)[0])
    return truth, seen / seen.sum(axis=1, keepdims=True)


def test_a_temperature_mends_overconfidence_and_leaves_the_classes() -> None:
    found = {(one.method, one.groups): one for one in recalibration(*drawn(4.0, 0.0), GROUPS)}
    gain = found["temperature", 10].gains
    assert gain["log_loss"].high < 0 and gain["accuracy"].before == gain["accuracy"].after


def test_shifts_mend_another_mix_of_classes_which_a_temperature_cannot() -> None:
    found = {(one.method, one.groups): one for one in recalibration(*drawn(1.0, 3.0), GROUPS)}
    gains = {method: found[method, 10].gains["log_loss"].after for method in METHODS}
    assert gains["slope_and_shifts"] < gains["temperature"] - 0.05
    assert found["slope_and_shifts", 10].gains["accuracy"].low > 0


def test_more_patients_mend_more() -> None:
    found = [one for one in recalibration(*drawn(1.0, 3.0), GROUPS) if one.method == "slope_and_shifts"]
    assert [one.groups for one in found] == list(PATIENTS)
    after = [one.gains["log_loss"].after for one in found]
    assert after[0] > after[1] > after[2]


def test_nothing_is_promised_where_too_few_groups_would_be_left() -> None:
    truth, probabilities = drawn(1.0, 0.0)
    few = [str(number % 8) for number in range(360)]
    found = recalibration(truth, probabilities, few, draws=3)
    assert [(one.groups, one.draws) for one in found if one.method == "temperature"] == [(2, 3), (5, 0), (10, 0)]
    assert not found[-1].gains


def test_draws_are_the_same_every_time() -> None:
    truth, probabilities = drawn(2.0, 1.0)
    first, again = (recalibration(truth, probabilities, GROUPS, draws=3) for _ in range(2))
    assert first == again
