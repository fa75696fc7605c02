from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cytopipe import paths
from cytopipe.data.manifest import Row
from cytopipe.evaluation.classifier.evaluate import Evaluation, measure
from cytopipe.evaluation.classifier.subgroups import corrected, subgroups, write_subgroups
from cytopipe.metrics.contrast import Contrast, Contrasted
from cytopipe.metrics.registry import of_task
from cytopipe.results.classifier import ClassifierDetails
from cytopipe.results.model_spec import DecisionRule
from cytopipe.results.subgroups import Finding, Subgroups

PATIENTS, CELLS = 40, 10
CLASSES = ("normal", "abnormal")


def evaluation(deficit: float = 0.0, named: bool = True, seed: int = 0) -> Evaluation:
    """A classifier of two classes that answers wrongly more often at site B, of patients of three sites."""
    rng = np.random.default_rng(seed)
    rows, truth, scores = list[Row](), [], []
    for patient in range(PATIENTS):
        site = "C" if patient < 3 else "AB"[patient % 2]
        for cell in range(CELLS):
            label = cell % 2
            said = {"site": site, "sex": "fm"[patient // 2 % 2]} if named else {}
            name, group = f"{patient:02}{cell}", f"P{patient}"
            rows.append(Row(name, "", CLASSES[label], label, "test", group, 8, 8, "", attributes=said))
            truth.append(label)
            sure = 1.6 - deficit * (site == "B") + rng.normal()
            scores.append(sure if label else -sure)
    probability = 1 / (1 + np.exp(-np.array(scores)))
    probabilities, part = np.stack([1 - probability, probability], axis=1), np.zeros(len(rows), dtype=int)
    rule = DecisionRule(temperature=1.0, confidence_threshold=0.5, abnormal=("abnormal",))
    found = measure(np.array(truth), probabilities, [row.group for row in rows], CLASSES, [rule], part)
    details = ClassifierDetails(
        dataset="d", model=None, architecture="a", channels="rgb", parameters=1, test_sha256="", seeds=None, folds=None,
        **found,
    )  # fmt: skip
    return Evaluation(CLASSES, rows, np.array(truth), probabilities, [rule], part, details)


@pytest.fixture(scope="module")
def worse() -> Subgroups:
    found = subgroups(evaluation(deficit=1.2))
    assert found is not None
    return found


def test_a_planted_deficit_is_found_and_named(worse: Subgroups) -> None:
    assert worse.worst == Finding(attribute="site", value="B", metric="accuracy")
    assert {one.attribute for one in worse.different} == {"site"}
    assert worse.worst in worse.different
    difference = worse.find(worse.worst).differences["accuracy"]
    assert difference.value is not None and difference.high is not None and difference.value < difference.high < 0
    assert difference.p_holm is not None and difference.p is not None and difference.p < difference.p_holm < 0.05


def test_every_metric_is_there_with_its_interval_or_why_it_has_none(worse: Subgroups) -> None:
    assert [(part.attribute, part.value) for part in worse.subgroups] == [
        ("site", "A"), ("site", "B"), ("site", "C"), ("sex", "f"), ("sex", "m")
    ]  # fmt: skip
    for part in worse.subgroups:
        assert set(part.metrics) == {one.key for one in of_task("classification")}
        assert sum(part.classes.values()) == part.images == 10 * part.groups
        for one in part.metrics.values():
            assert (one.low is None) == (one.withheld is not None)
    small = worse.subgroups[2]
    assert small.groups == 3
    assert small.metrics["accuracy"].withheld == "3 groups count: under 5, no interval is claimed"
    assert small.differences["accuracy"].withheld == small.metrics["accuracy"].withheld


def test_the_numbers_of_all_images_are_those_of_the_evaluation(worse: Subgroups) -> None:
    details = evaluation(deficit=1.2).details
    expected = {**details.metrics, **details.calibration.after}
    assert worse.metrics == expected


def test_two_values_are_one_test(worse: Subgroups) -> None:
    tested = sum(one.scale is not None for one in of_task("classification"))
    assert worse.tests == 3 * tested  # sites A and B, and one of the sexes; C is too small
    sexes = [part.differences["accuracy"] for part in worse.subgroups[3:]]
    assert sexes[0].value == pytest.approx(-(sexes[1].value or 0))
    assert sexes[0].p_holm == sexes[1].p_holm


def test_the_correction_is_holms() -> None:
    values = {("site", "a"): 0.01, ("site", "b"): 0.04, ("site", "c"): 0.03}
    compared = {key: Contrasted({}, {"accuracy": Contrast(0.1, 0.0, 0.2, p)}) for key, p in values.items()}
    found = {key: one["accuracy"].p_holm for key, one in corrected(compared, {"accuracy"}).items()}
    assert found == {("site", "a"): pytest.approx(0.03), ("site", "b"): 0.06, ("site", "c"): 0.06}


def test_nothing_is_written_without_attributes(tmp_path: Path) -> None:
    write_subgroups(evaluation(named=False), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_is_read_again(tmp_path: Path, worse: Subgroups) -> None:
    write_subgroups(evaluation(deficit=1.2), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["subgroups.json", "subgroups.png"]
    assert Subgroups.read(tmp_path / paths.SUBGROUPS).different == worse.different


@pytest.fixture
def simulation(root: Path) -> Iterator[None]:
    """The benchmark's module can be imported."""
    sys.path.insert(0, str(root / "benchmarks"))
    yield
    sys.path.remove(str(root / "benchmarks"))


@pytest.mark.usefixtures("simulation")
def test_none_is_invented_and_a_large_one_is_found() -> None:
    """A few draws of those that benchmarks/subgroups.py counts by the hundred; docs/subgroups.json holds these."""
    from subgroups import Case, simulate

    assert simulate(Case(20, 6), draws=8)["false_alarms"] == 0
    assert simulate(Case(60, 6, deficit=2.0), draws=4)["found"] == 4
