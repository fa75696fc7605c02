"""Sets of classes of the mean of a cross-validation's networks keep their coverage on simulated groups.

Groups of five images share an ease and a tendency to each class; each network adds an error of its own, to whole
groups and to single images. An image's out-of-fold probabilities are those of the network of its fold; new
groups get the mean.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from cytopipe.core.params import Guarantees
from cytopipe.metrics.conformal import class_sets
from cytopipe.models.decision_rule import calibrate
from cytopipe.models.ensemble import mean_of
from cytopipe.results.guarantees import GuaranteeRule
from cytopipe.training.decision_rule import choose_rule
from cytopipe.training.guarantees import OUT_OF_FOLD, choose_guarantees

CLASSES = ("normal", "odd", "worse")
FOLDS, IMAGES, NEW, COHORTS = 5, 5, 300, 40


def drawn(rng: np.random.Generator, groups: int, signal: float, error: float) -> tuple[np.ndarray, np.ndarray]:
    """Classes of groups x 5 images, and each network's probabilities of them, folds x images x classes."""
    truth = np.repeat(rng.integers(0, 3, groups), IMAGES)
    ease = np.repeat(rng.normal(size=(groups, 3)), IMAGES, axis=0) + rng.normal(size=(len(truth), 3))
    ease[np.arange(len(truth)), truth] += signal
    of_groups = np.repeat(rng.normal(size=(FOLDS, groups, 3)), IMAGES, axis=1)
    own = error * (of_groups + rng.normal(size=(FOLDS, len(truth), 3)))
    return truth, softmax(ease + own, axis=2)


def promised(truth: np.ndarray, outside: np.ndarray, groups: int) -> GuaranteeRule:
    """What out-of-fold predictions let the mean guarantee."""
    names = np.repeat(np.arange(groups), IMAGES).astype(str).tolist()
    rule = choose_rule(truth, outside, CLASSES, CLASSES[:1])
    found = choose_guarantees(Guarantees(), truth, outside, names, CLASSES, rule, calibrated_on="out-of-fold")
    assert found is not None
    return found


# Poor networks that disagree much, poor and good ones that disagree little, and very good ones that disagree much.
@pytest.mark.parametrize(("signal", "error"), [(1.0, 1.5), (1.0, 0.3), (3.0, 0.5), (6.0, 1.5)])
@pytest.mark.parametrize("groups", [20, 60])
def test_the_sets_of_the_mean_hold_in_new_groups(groups: int, signal: float, error: float) -> None:
    rng = np.random.default_rng(0)
    reached = []
    for _ in range(COHORTS):
        truth, shares = drawn(rng, groups, signal, error)
        fold = np.repeat(np.arange(groups) % FOLDS, IMAGES)
        outside = shares[fold, np.arange(len(truth))]
        found = promised(truth, outside, groups)
        assert found.sets.least is not None and found.sets.groups == groups
        rule = choose_rule(truth, outside, CLASSES, CLASSES[:1])
        new, by_each = drawn(rng, NEW, signal, error)
        sets = class_sets(calibrate(rule, mean_of(list(by_each))), found.sets.least)
        reached.append(sets[np.arange(len(new)), new].mean())
    assert np.mean(reached) >= 0.9 - 2 * np.std(reached) / np.sqrt(COHORTS)


def test_sensitivities_of_groups_are_withheld_and_few_groups_give_no_sets() -> None:
    truth, shares = drawn(np.random.default_rng(1), 8, 3.0, 0.5)
    found = promised(truth, shares[0], 8)
    assert found.calibrated_on == "out-of-fold"
    assert found.sets.least is None and "needs 9 groups" in (found.sets.withheld or "")
    assert [(one.score, one.withheld) for one in found.patients] == [(None, OUT_OF_FOLD)] * 2
