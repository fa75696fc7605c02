from __future__ import annotations

import numpy as np
import pytest

from cytopipe.core.params.patients import Patients
from cytopipe.metrics.patients import Groups, expit
from cytopipe.models.patients import Evidence, answer, decide
from cytopipe.training.group_rules import Held, fit_rule, image_shift


def held(groups: int, seed: int = 0, cells: int = 12) -> Held:
    """Half of the groups are abnormal: three of their cells are."""
    rng = np.random.default_rng(seed)
    labels = np.arange(groups) % 2
    abnormal = (labels[:, None] * (np.arange(cells) < 3)).astype(bool)
    odds = 3 * (rng.normal(size=abnormal.shape) + 3 * abnormal) - 4.5
    names = Groups(tuple(f"{one:03}" for one in range(groups)), np.repeat(np.arange(groups), cells))
    return Held(names, labels, abnormal.ravel(), Evidence(expit(odds.ravel())))


@pytest.mark.parametrize("rule", ["auto", "mean", "max", "quantile", "noisy_or", "count"])
def test_every_rule_is_fitted_and_its_threshold_keeps_the_wanted_specificity(rule: str) -> None:
    some = held(60)
    fitted = fit_rule(Patients.model_validate({"rule": rule, "specificity": 0.8}), some)
    assert fitted.rule == (rule if rule != "auto" else fitted.rule) and not fitted.withheld
    found = answer(fitted, some.groups, some.evidence)
    called = np.array([one == "abnormal" for one in found.decisions])
    assert 0.8 <= (~called)[some.labels == 0].mean() <= 0.84
    assert fitted.fitted_on is not None and fitted.fitted_on.groups == 60
    assert set(fitted.criterion) == ({"mean", "max", "noisy_or", "quantile", "count"} if rule == "auto" else set())
    assert all(len(images) == 5 for images in found.telling)
    # The scores are calibrated: as many groups as they promise are abnormal.
    assert found.scores.sum() == pytest.approx(30, abs=1)


def test_under_five_groups_of_a_class_nothing_is_fitted_and_no_decision_is_made() -> None:
    some = held(8)
    fitted = fit_rule(Patients(rule="auto"), some)
    assert fitted.rule == "mean" and fitted.slope is None and fitted.threshold is None
    assert fitted.withheld == "4 normal and 4 abnormal validation groups: under 5 of a class, nothing is fitted"
    found = answer(fitted, some.groups, some.evidence)
    assert set(found.decisions) == {""} and set(decide(fitted, found.odds)) == {""}


def test_groups_without_a_label_are_left_out() -> None:
    some = held(40)
    unknown = Held(some.groups, np.where(np.arange(40) < 4, -1, some.labels), some.abnormal, some.evidence)
    fitted = fit_rule(Patients(rule="mean"), unknown)
    assert fitted.fitted_on is not None
    assert (fitted.fitted_on.groups, fitted.fitted_on.left_out) == (36, 4)


def test_the_shift_makes_probabilities_of_images_sum_to_the_abnormal_ones() -> None:
    some = held(40)
    shift = image_shift(some.evidence.scores, some.abnormal)
    odds = np.log(some.evidence.scores / (1 - some.evidence.scores))
    assert expit(odds + shift).sum() == pytest.approx(some.abnormal.sum(), rel=1e-2)
    assert shift < 0  # an eighth of the cells are abnormal, not half
