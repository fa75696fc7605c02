"""What a classifier guarantees: chosen on validation groups, withheld in words, and applied as it was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cytopipe.core.params import Guarantees
from cytopipe.models.guarantees import has_sets, named_sets
from cytopipe.results.guarantees import GuaranteeRule
from cytopipe.results.model_spec import DecisionRule, ModelSpec
from cytopipe.training.guarantees import REFITTED, choose_guarantees

CLASSES = ("normal", "odd", "worse")
RULE = DecisionRule(temperature=1.0, abnormal=("odd", "worse"))


def images(count: int, per_group: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray, Sequence[str]]:
    """Classes, probabilities and groups of images of so many groups."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(count) % 3, per_group)
    logits = rng.normal(size=(len(truth), 3))
    logits[np.arange(len(truth)), truth] += 2
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return truth, shares, np.repeat(np.arange(count), per_group).astype(str).tolist()


def chosen(count: int, wanted: Guarantees | None = None, **changes: Any) -> GuaranteeRule:
    truth, shares, groups = images(count)
    found = choose_guarantees(wanted or Guarantees(), truth, shares, groups, CLASSES, RULE, **changes)
    assert found is not None
    return found


def spec(rule: GuaranteeRule | None) -> ModelSpec:
    return ModelSpec(
        task="classification",
        architecture="timm/test_resnet",
        arguments={},
        classes=CLASSES,
        channels="rgb",
        input_size=32,
        mean=(0.5,) * 3,
        std=(0.2,) * 3,
        training_data_sha256="0" * 64,
        guarantees=rule,
    )


def test_nothing_is_guaranteed_where_params_yaml_asks_for_nothing() -> None:
    truth, shares, groups = images(30)
    assert choose_guarantees(None, truth, shares, groups, CLASSES, RULE) is None
    assert not has_sets(spec(None))
    assert named_sets(spec(None), shares[:2]) == [None, None]


def test_many_groups_give_sets_and_thresholds_of_groups() -> None:
    rule = chosen(120)
    assert (rule.sets.groups, rule.sets.images, rule.sets.withheld) == (120, 240, None)
    assert rule.sets.least is not None and 0 < rule.sets.least < 1
    sure, average = rule.patients
    assert (sure.confidence, average.confidence, sure.positives) == (0.95, None, 80)
    assert sure.score is not None and average.score is not None
    assert sure.score < average.score  # a promise with confidence finds more groups abnormal


def test_few_groups_are_withheld_in_words() -> None:
    rule = chosen(8)
    assert rule.sets.least is None and rule.sets.withheld is not None
    assert "needs 9 groups" in rule.sets.withheld and "there are 8" in rule.sets.withheld
    assert [one.score for one in rule.patients] == [None, None]
    assert "needs 59 abnormal groups" in (rule.patients[0].withheld or "")
    assert not has_sets(spec(rule))
    assert chosen(9).sets.least is not None


def test_a_refitted_network_has_no_image_left_to_calibrate_with() -> None:
    rule = chosen(120, refitted=True)
    assert {rule.sets.withheld, *(one.withheld for one in rule.patients)} == {REFITTED}


def test_without_abnormal_classes_no_sensitivity_is_guaranteed() -> None:
    truth, shares, groups = images(30)
    rule = choose_guarantees(Guarantees(), truth, shares, groups, CLASSES, DecisionRule(temperature=1.0))
    assert rule is not None and rule.patients == ()


def test_thresholds_have_six_digits_and_are_rounded_down() -> None:
    truth, shares, _ = images(120)
    rule = chosen(120)
    own = np.sort(shares[np.arange(len(truth)), truth])
    least = rule.sets.least
    assert least is not None and float(f"{least:.6g}") == least
    above = own[np.searchsorted(own, least)]
    assert 0 <= above - least < 1e-5 * above


def test_new_images_get_the_coverage_that_was_asked_for() -> None:
    truth, shares, _ = images(400, seed=5)
    for coverage in (0.9, 0.95):
        sets = named_sets(spec(chosen(400, Guarantees(coverage=coverage))), shares)
        reached = np.mean([CLASSES[index] in (one or ()) for index, one in zip(truth, sets, strict=True)])
        assert reached == pytest.approx(coverage, abs=0.03)


def test_a_set_names_the_most_probable_class_first_and_is_never_empty() -> None:
    rule = chosen(120)
    forced = rule.model_copy(update={"sets": rule.sets.model_copy(update={"least": 0.3})})
    shares = np.array([[0.34, 0.35, 0.31], [0.05, 0.05, 0.9], [0.4, 0.29, 0.31]])
    assert named_sets(spec(forced), shares) == [("odd", "normal", "worse"), ("worse",), ("normal", "worse")]
    high = rule.model_copy(update={"sets": rule.sets.model_copy(update={"least": 0.95})})
    assert named_sets(spec(high), shares) == [("odd",), ("worse",), ("normal",)]


def test_model_json_holds_the_guarantee_and_older_ones_hold_none() -> None:
    for rule in (chosen(120), chosen(8), None):
        text = spec(rule).to_json()
        assert ModelSpec.parse(text, Path("model.json")).guarantees == rule
        assert (b"guarantees" in text) == (rule is not None)


def test_the_mean_score_of_a_group_may_take_the_place_of_the_largest() -> None:
    largest, mean = (chosen(120, Guarantees(group_score=how)).patients[0].score for how in ("max", "mean"))
    assert largest is not None and mean is not None and mean < largest
