"""The test of guarantees on test groups: counted by hand, withheld, and of several folds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cytopipe.data.manifest import Row
from cytopipe.evaluation.classifier.evaluate import Evaluation
from cytopipe.evaluation.classifier.guarantees import details_of, over_groups
from cytopipe.results.guarantees import GuaranteeDetails, GuaranteeRule, SensitivityRule, SetRule
from cytopipe.results.model_spec import DecisionRule
from made_results import classifier_details

CLASSES = ("normal", "odd", "worse")
SHARES = {
    "sure": (0.9, 0.06, 0.04),
    "torn": (0.5, 0.4, 0.1),
    "wrong": (0.1, 0.85, 0.05),
}


def evaluation(images: list[tuple[str, int, str]], folds: int = 1) -> Evaluation:
    """Test images as (group, class, kind of probabilities); those of a group are in one fold."""
    rows = [
        Row(f"{place:02}", "", CLASSES[label], label, "test", group, 9, 9, "0" * 64)
        for place, (group, label, _) in enumerate(images)
    ]
    groups = sorted({group for group, _, _ in images})
    return Evaluation(
        CLASSES,
        rows,
        np.array([label for _, label, _ in images]),
        np.array([SHARES[kind] for _, _, kind in images]),
        [DecisionRule(temperature=1.0, abnormal=("odd", "worse"))] * folds,
        np.array([groups.index(group) % folds for group, _, _ in images]),
        classifier_details(),
    )


def rule(least: float | None = 0.3, score: float | None = 0.3, **changes: Any) -> GuaranteeRule:
    why = "too few groups"
    found = SetRule(
        coverage=0.9,
        groups=20,
        images=50,
        least=least,
        least_by_images=least and 2 * least,
        withheld=None if least else why,
    )
    patients = SensitivityRule(
        sensitivity=0.95, confidence=0.95, positives=60, score=score, withheld=None if score else why
    )
    return GuaranteeRule(sets=found, patients=(patients,)).model_copy(update=changes)


IMAGES = [("a", 0, "sure"), ("a", 0, "torn"), ("a", 0, "wrong"), ("a", 0, "wrong"), ("b", 0, "sure"), ("c", 1, "torn")]


def test_each_group_counts_the_same_and_images_are_beside_it() -> None:
    scores = details_of(evaluation(IMAGES), [rule()]).sets.scores
    assert scores is not None
    # Half the sets of a, the only ones of b and c.
    assert scores.coverage.value == pytest.approx((0.5 + 1 + 1) / 3)
    assert scores.coverage_of_images.value == pytest.approx(4 / 6)
    assert scores.size.value == pytest.approx((5 / 4 + 1 + 2) / 3)
    assert scores.singletons.value == pytest.approx((3 / 4 + 1 + 0) / 3)
    assert scores.by_images.size.value == 1 and scores.by_images.coverage.value == pytest.approx((0.5 + 1 + 0) / 3)
    assert (scores.per_class["odd"].images, scores.per_class["odd"].groups) == (1, 1)
    assert scores.per_class["worse"].coverage.value is None
    assert scores.coverage.withheld == "3 groups count: under 5, no interval is claimed"


def test_an_interval_is_over_groups() -> None:
    many = [(f"g{number}", 0, "wrong" if number == 0 else "sure") for number in range(20) for _ in range(3)]
    scores = details_of(evaluation(many), [rule()]).sets.scores
    assert scores is not None and scores.coverage.low is not None and scores.coverage.high is not None
    assert scores.coverage.low < 0.95 < scores.coverage.high
    all_right = details_of(evaluation(many[3:]), [rule()]).sets.scores
    assert all_right is not None and all_right.coverage.value == 1 and all_right.coverage.high == 1
    assert all_right.coverage.low is not None and 0.7 < all_right.coverage.low < 0.9


def test_no_class_reaching_the_threshold_leaves_the_most_probable_one() -> None:
    scores = details_of(evaluation(IMAGES), [rule(least=0.6)]).sets.scores
    assert scores is not None and scores.filled == pytest.approx(2 / 6)
    assert scores.size.value == 1


def test_a_group_is_abnormal_if_an_image_of_it_is() -> None:
    images = [("a", 0, "sure"), ("a", 1, "wrong"), ("b", 0, "sure"), ("c", 0, "torn"), ("d", 2, "sure")]
    (found,) = details_of(evaluation(images), [rule()]).patients
    assert (found.positives, found.negatives) == (2, 2)
    assert found.sensitivity is not None and found.specificity is not None
    assert (found.sensitivity.value, found.specificity.value) == (0.5, 0.5)


def test_what_is_withheld_has_a_reason_and_no_number() -> None:
    found = details_of(evaluation(IMAGES), [rule(None, None)])
    assert found.sets.scores is None and found.sets.withheld == "too few groups"
    assert found.patients[0].sensitivity is None and found.patients[0].withheld == "too few groups"


def test_each_fold_keeps_its_own_thresholds() -> None:
    images = [("a", 0, "torn"), ("b", 0, "torn")]
    found = details_of(evaluation(images, folds=2), [rule(0.3), rule(0.45)])
    assert found.sets.scores is not None and found.sets.scores.size.value == 1.5
    assert (found.sets.least, found.sets.groups) == ((0.3, 0.45), (20, 20))
    half = details_of(evaluation(images, folds=2), [rule(0.3), rule(None)])
    assert half.sets.scores is None and half.sets.withheld


def test_the_file_is_read_as_it_was_written(tmp_path: Any) -> None:
    for one in (rule(), rule(None, None), rule(patients=())):
        found = details_of(evaluation(IMAGES), [one])
        found.write(tmp_path / "guarantees.json")
        again = GuaranteeDetails.read(tmp_path / "guarantees.json")
        assert again.sets.withheld == found.sets.withheld
        assert len(again.patients) == len(found.patients)


def test_the_mean_over_groups_of_nothing_is_not_defined() -> None:
    assert over_groups(np.zeros(0), []).value is None
