from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss, roc_auc_score

from cytopipe.gate.measures import Measures, of_classes, of_fields, of_masks
from cytopipe.gate.paired import changes
from cytopipe.metrics.registry import gated
from cytopipe.results.predictions import Prediction, Predictions
from cytopipe.results.screening import FieldScore, FieldScores
from cytopipe.results.segmenter import SegmenterPredictions

IMAGES, CLASSES = 60, ("a", "b", "c")


def predictions(seed: int, skill: float, classes: tuple[str, ...] = CLASSES, groups: int = 10) -> Predictions:
    """Random predictions whose probabilities favour the true class by `skill`."""
    rng = np.random.default_rng(seed)
    truth = np.arange(IMAGES) % 3
    scores = rng.random((IMAGES, len(classes))) + skill * np.eye(len(classes))[truth]
    scores /= scores.sum(axis=1, keepdims=True)
    rows = [
        Prediction(
            id=f"{number:02}",
            group=f"g{number * groups // IMAGES}",
            label=classes[label],
            predicted=classes[values.argmax()],
            probabilities=tuple(values),
        )
        for number, (label, values) in enumerate(zip(truth, scores, strict=True))
    ]
    return Predictions.of(classes, rows)


def shuffled(one: Predictions) -> Predictions:
    order = np.random.default_rng(9).permutation(IMAGES)
    return Predictions.of(one.classes, [one.rows[index] for index in order])


def classes_of(*runs: Predictions) -> list[Measures]:
    return [of_classes(run, 1.0) for run in runs]


def test_changes_equal_those_of_scikit_learn_and_limits_the_jackknife() -> None:
    now, before = predictions(1, 0.3), predictions(0, 0.8)
    truth = np.arange(IMAGES) % 3
    measures: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
        "accuracy": lambda rows, p: accuracy_score(truth[rows], p.argmax(axis=1)),
        "balanced_accuracy": lambda rows, p: balanced_accuracy_score(truth[rows], p.argmax(axis=1)),
        "macro_f1": lambda rows, p: f1_score(truth[rows], p.argmax(axis=1), average="macro"),
        "auc": lambda rows, p: roc_auc_score(truth[rows], p, multi_class="ovr"),
        "log_loss": lambda rows, p: log_loss(truth[rows], p, labels=[0, 1, 2]),
        "brier": lambda rows, p: float(((p - np.eye(3)[truth[rows]]) ** 2).sum(axis=1).mean()),
    }
    found = changes(*classes_of(now, before))
    assert found.keys() == measures.keys() | {"ece"}
    groups = np.array(now.groups)
    everything = np.arange(IMAGES)
    for metric, measure in measures.items():

        def change(rows: np.ndarray, measure: Callable[[np.ndarray, np.ndarray], float] = measure) -> float:
            return measure(rows, now.probabilities[rows]) - measure(rows, before.probabilities[rows])

        without = [change(np.flatnonzero(groups != one)) for one in sorted(set(groups))]
        error = np.sqrt(9 / 10 * ((np.array(without) - np.mean(without)) ** 2).sum())
        limits = change(everything) - 2.262157 * error, change(everything) + 2.262157 * error
        assert found[metric].value == pytest.approx(change(everything))
        assert (found[metric].low, found[metric].high) == pytest.approx(limits, abs=1e-6)


def test_images_are_matched_by_id() -> None:
    before, now = predictions(0, 0.8), predictions(1, 0.3)
    assert changes(*classes_of(shuffled(now), before)) == changes(*classes_of(now, before))


def test_the_same_predictions_did_not_change() -> None:
    same = predictions(0, 0.8)
    found = changes(*classes_of(same, same))
    assert {(one.value, one.low, one.high, one.lost) for one in found.values()} == {(0, 0, 0, "")}


def test_other_classes_give_no_pairs_and_few_groups_no_limits() -> None:
    sound = predictions(1, 0.3)
    assert changes(*classes_of(predictions(0, 0.8, (*CLASSES, "d")), sound)) == {}
    found = changes(*classes_of(predictions(1, 0.3, groups=4), predictions(0, 0.8, groups=4)))
    assert {(one.low, one.high) for one in found.values()} == {(None, None)}


def test_calibration_is_compared_where_one_temperature_holds_for_all_images() -> None:
    run = predictions(0, 0.8)
    assert changes(of_classes(run), of_classes(run)).keys() == {"accuracy", "balanced_accuracy", "macro_f1", "auc"}
    found = changes(of_classes(run, 3.0), of_classes(run, 1.0))
    assert found["accuracy"].value == 0
    assert found["log_loss"].value > 0  # flatter probabilities of right answers


def test_a_segmenter_s_metrics_are_means_over_the_images_for_which_they_are_defined() -> None:
    table = [
        {"id": str(number), "group": str(number), "dice_cell": 0.5, "hd95_cell": 2.0 if number else None}
        for number in range(6)
    ]
    better = [row | {"dice_cell": 0.75} for row in table]
    found = changes(of_masks(SegmenterPredictions.of(better)), of_masks(SegmenterPredictions.of(table)))
    assert {key: (one.value, one.low, one.high) for key, one in found.items()} == {
        "dice_cell": (0.25, 0.25, 0.25),
        "hd95_cell": (0, 0, 0),
    }


def field(number: int, matched: int) -> FieldScore:
    counts = {"true": 10, "found": 12, "at_edge": 1, "matched_contours": 0}
    return FieldScore(
        field=f"f{number}",
        group=f"g{number}",
        **counts,
        matched=matched,
        named=matched - 1,
        f1=None,
        true_of={"a": 10},
        found_of={"a": 12},
    )


def test_a_screening_s_metrics_follow_from_its_fields() -> None:
    before = of_fields(FieldScores(rows=tuple(field(number, 10) for number in range(6))))
    now = of_fields(FieldScores(rows=tuple(field(number, 5) for number in range(6))))
    assert now.measure(np.arange(6)) == {
        "boxes_precision": pytest.approx(5 / 11),
        "boxes_recall": 0.5,
        "boxes_f1": pytest.approx(10 / 21),
        "class_accuracy": 0.8,
        "named_f1": pytest.approx(8 / 21),
        "count_mean_absolute_error": 1.0,
    }
    assert changes(now, before)["boxes_recall"].value == -0.5
    assert set(now.measure(np.arange(6))) <= {metric.key for metric in gated("screening")}
