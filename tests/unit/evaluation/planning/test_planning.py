"""Planned numbers of groups give the wanted width in the mean, in simulated tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from cytopipe.errors import CytopipeError
from cytopipe.evaluation.planning.finished import pilots
from cytopipe.evaluation.planning.groups import groups_for, plan, width_of
from cytopipe.evaluation.planning.influence import Influences, of_area, of_mean
from cytopipe.evaluation.planning.pilot import given, pilot_of
from cytopipe.metrics.clusters import LeftOut, each_left_out, ratio
from cytopipe.metrics.intervals import measured
from cytopipe.metrics.scores import binary_auc
from cytopipe.results.predictions import Predictions
from cytopipe.results.segmenter import SegmenterPredictions

IMAGES = 8


def named(groups: int, images: int = IMAGES) -> list[str]:
    return np.repeat(np.arange(groups), images).astype(str).tolist()


def answers(rng: np.random.Generator, groups: int, value: float, alike: float, images: int = IMAGES) -> np.ndarray:
    """Right answers of groups whose own shares are beta distributed, so that the correlation within is `alike`."""
    shares = np.full(groups, value)
    if alike:
        total = 1 / alike - 1
        shares = rng.beta(value * total, (1 - value) * total, groups)
    right: np.ndarray = (rng.random((groups, images)) < shares[:, None]).astype(float).ravel()
    return right


def width_of_share(right: np.ndarray, groups: int, images: int = IMAGES) -> float:
    found = measured(ratio(right, np.ones(len(right)), named(groups, images)))
    assert found.low is not None and found.high is not None
    return found.high - found.low


@pytest.mark.parametrize("alike", [0.0, 0.1, 0.3])
@pytest.mark.parametrize(("value", "width"), [(0.9, 0.1), (0.7, 0.15)])
def test_given_numbers_lead_to_the_wanted_width(value: float, width: float, alike: float) -> None:
    rng = np.random.default_rng(0)
    groups = groups_for(given("accuracy", value, alike, IMAGES), width)
    widths = [width_of_share(answers(rng, groups, value, alike), groups) for _ in range(60)]
    assert np.mean(widths) == pytest.approx(width, rel=0.08)


def test_a_pilot_leads_to_the_wanted_width_in_the_mean() -> None:
    """Every pilot of 40 groups plans its own test; sparse pilots see too little variance, the cautious plan more."""
    rng = np.random.default_rng(0)
    widths, cautious = [], []
    for _ in range(60):
        pilot = pilot_of(found(of_mean(answers(rng, 40, 0.85, 0.2))), named(40), "pilot")
        one = plan("accuracy", pilot, 0.12)
        widths.append(width_of_share(answers(rng, one.groups, 0.85, 0.2), one.groups))
        cautious.append(width_of_share(answers(rng, one.cautious, 0.85, 0.2), one.cautious))
    assert np.mean(widths) == pytest.approx(0.12, rel=0.08)
    assert np.mean(cautious) < 0.95 * np.mean(widths)
    assert np.mean(np.array(cautious) <= 0.12) >= 0.7


def test_the_correlation_and_other_numbers_of_images_are_told_from_a_pilot() -> None:
    rng = np.random.default_rng(1)
    pilot = pilot_of(found(of_mean(answers(rng, 600, 0.8, 0.2))), named(600), "pilot")
    assert pilot.alike == pytest.approx(0.2, abs=0.03)
    assert pilot.design_effect == pytest.approx(1 + (IMAGES - 1) * 0.2, rel=0.1)
    assert pilot.of_group == pytest.approx(given("accuracy", 0.8, 0.2, IMAGES).of_group, rel=0.1)
    one = plan("accuracy", pilot, 0.1, [2])
    widths = [width_of_share(answers(rng, one.groups, 0.8, 0.2, 2), one.groups, 2) for _ in range(40)]
    assert np.mean(widths) == pytest.approx(0.1, rel=0.1)


def scored(rng: np.random.Generator, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores and truth: half the groups are abnormal, and a group has an error of its own."""
    positive = np.repeat(np.arange(groups) % 2 == 0, IMAGES)
    own = np.repeat(rng.normal(size=groups), IMAGES) * 0.7
    return own + rng.normal(size=len(positive)) + 1.6 * positive, positive


def areas_left_out(scores: np.ndarray, positive: np.ndarray, groups: int) -> LeftOut:
    def measure(rows: np.ndarray) -> dict[str, float | None]:
        return {"auc": binary_auc(scores[rows], positive[rows])}

    return each_left_out(measure, named(groups))["auc"]


def test_an_area_under_the_curve_has_the_wanted_width() -> None:
    rng = np.random.default_rng(0)
    scores, positive = scored(rng, 400)
    measure = of_area(scores, positive)
    assert measure is not None and measure.value == pytest.approx(binary_auc(scores, positive))
    groups = groups_for(pilot_of(measure, named(400), "pilot"), 0.15)
    widths = []
    for _ in range(40):
        scores, positive = scored(rng, groups)
        one = measured(areas_left_out(scores, positive, groups))
        assert one.low is not None and one.high is not None
        widths.append(one.high - one.low)
    assert np.mean(widths) == pytest.approx(0.15, rel=0.1)


def test_given_areas_and_dice_have_the_variance_of_independent_images() -> None:
    value = norm.cdf(1.6 / np.sqrt(2))
    rng = np.random.default_rng(0)
    positive = rng.random(20_000) < 0.3
    measure = of_area(rng.normal(size=20_000) + 1.6 * positive, positive)
    assert measure is not None
    assert given("auc", value, 0, 1, prevalence=0.3).variance == pytest.approx(measure.each.var(), rel=0.15)
    assert given("dice_cell", 0.9, 0, 1, deviation=0.05).variance == pytest.approx(0.0025)
    with pytest.raises(CytopipeError, match="standard deviation"):
        given("dice_cell", 0.9, 0, 1)


def test_more_images_of_a_patient_help_only_until_they_are_alike() -> None:
    pilot = given("accuracy", 0.9, 0.2, 10)
    assert [one.images_per_group for one in plan("accuracy", pilot, 0.1).choices] == [1, 2, 10, 40]
    groups = [one.groups for one in plan("accuracy", pilot, 0.1).choices]
    assert groups == sorted(groups, reverse=True) and groups[-1] > 0.7 * groups[-2]
    assert width_of(pilot, groups[2]) <= 0.1 < width_of(pilot, groups[2] - 1)


def test_where_every_answer_is_right_the_exact_limit_decides() -> None:
    pilot = pilot_of(found(of_mean(np.ones(80))), named(10), "pilot")
    one = plan("accuracy", pilot, 0.05)
    assert width_of_share(np.ones(one.groups * IMAGES), one.groups) <= 0.05
    assert width_of_share(np.ones((one.groups - 1) * IMAGES), one.groups - 1) > 0.05


def test_groups_that_are_all_alike_are_worth_no_more_than_independent_images() -> None:
    right = np.tile([1.0] * 7 + [0.0], 10)
    one = plan("accuracy", pilot_of(found(of_mean(right)), named(10), "pilot"), 0.1)
    assert one.groups > 5
    assert width_of_share(np.tile(right[:IMAGES], one.groups), one.groups) <= 0.1
    assert width_of_share(np.tile(right[:IMAGES], one.groups - 1), one.groups - 1) > 0.1


def test_a_sensitivity_counts_the_groups_with_abnormal_images() -> None:
    ill = np.repeat(np.arange(20) % 4 == 0, IMAGES)
    right = np.tile([1.0] * 7 + [0.0], 20)
    pilot = pilot_of(found(of_mean(right, ill)), named(20), "pilot")
    assert (pilot.groups, pilot.counting, pilot.value) == (5, 0.25, 0.875)
    one = plan("sensitivity", pilot_of(found(of_mean(np.roll(right, 3) * 1.0, ill)), named(20), "p"), 0.2)
    assert one.in_all == 4 * one.groups


def test_under_five_groups_nothing_is_planned() -> None:
    with pytest.raises(CytopipeError, match="the pilot has 4 groups that count"):
        pilot_of(found(of_mean(np.ones(32))), named(4), "pilot")
    with pytest.raises(CytopipeError, match="needs more than 10,000,000 groups"):
        groups_for(given("accuracy", 0.5, 1.0, 1), 0.0001)


def test_the_predictions_of_a_finished_model_are_a_pilot(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(80) % 2
    shares = np.clip(0.3 + 0.4 * truth + rng.normal(scale=0.2, size=80), 0.01, 0.99)
    images = [(f"{n:02}", f"g{n // 8}", ("a", "b")[label]) for n, label in enumerate(truth)]
    table = Predictions.of_images(("a", "b"), images, np.stack([1 - shares, shares], axis=1))
    table.write(tmp_path / "predictions.csv")
    measured_ones = pilots(str(tmp_path / "predictions.csv"))
    assert list(measured_ones) == ["accuracy", "auc"] and measured_ones["accuracy"].groups == 10
    rows = [{"id": row.id, "group": row.group, "dice_cell": 0.9, "dice_nucleus": None} for row in table.rows]
    rows[0]["dice_cell"] = 0.5
    SegmenterPredictions.of(rows).write(tmp_path / "masks.csv")
    assert list(pilots(str(tmp_path / "masks.csv"))) == ["dice_cell"] and caplog.messages == []
    for row in rows[:10]:  # of two groups
        row["dice_nucleus"] = 0.8
    SegmenterPredictions.of(rows).write(tmp_path / "masks.csv")
    assert list(pilots(str(tmp_path / "masks.csv"))) == ["dice_cell"]
    (said,) = caplog.messages
    assert said.startswith("dice_nucleus is left out: the pilot has 2 groups that count")
    with pytest.raises(CytopipeError, match="no finished model 'x'"):
        pilots("x", tmp_path)


def found(one: Influences | None) -> Influences:
    assert one is not None
    return one
