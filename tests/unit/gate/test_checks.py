from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from cytopipe.gate import Check, Expectation, Folder, baseline_of, compare
from cytopipe.gate.checks import margin_of, verdict
from cytopipe.gate.results import Change, Number
from cytopipe.metrics.metric import Direction
from cytopipe.metrics.registry import TASKS, gated
from cytopipe.results.numbers import Estimate
from cytopipe.results.predictions import Prediction, Predictions
from fixture_types import LeaveResults
from made_results import classifier_details

CLASSES = ("normal", "abnormal")
ACCURACY = "results/classifiers/masks/details.json"


def expected(
    low: float | None, high: float | None, direction: Direction = "higher", tolerance: float = 0.02
) -> Expectation:
    """Expect 0.9 with this interval."""
    return Expectation(value=0.9, low=low, high=high, direction=direction, tolerance=tolerance)


@pytest.mark.parametrize(
    ("now", "direction", "word"),
    [
        (0.9, "higher", "ok"),
        (0.88, "higher", "ok"),  # a drop of exactly the tolerance
        (0.92, "higher", "ok"),
        (0.879, "higher", "worse"),
        (0.921, "higher", "better"),
        (0.88, "lower", "ok"),
        (0.92, "lower", "ok"),
        (0.879, "lower", "better"),
        (0.921, "lower", "worse"),
    ],
)
def test_without_an_interval_the_tolerance_alone_decides(now: float, direction: Direction, word: str) -> None:
    assert verdict(expected(None, None, direction), Number(now, now - 0.5, now + 0.5)) == word
    assert verdict(expected(None, 0.95, direction), Number(now)) == word


@pytest.mark.parametrize(
    ("now", "higher", "lower"),
    [
        (0.881, "ok", "ok"),
        (0.87, "within noise", "within noise"),
        (0.85, "within noise", "within noise"),  # the low end itself
        (0.849999, "worse", "better"),
        (0.94, "within noise", "within noise"),  # the high end itself
        (0.940001, "better", "worse"),
    ],
)
def test_a_file_s_interval_must_confirm_the_change(now: float, higher: str, lower: str) -> None:
    assert verdict(expected(0.85, 0.94), Number(now)) == higher
    assert verdict(expected(0.85, 0.94, "lower"), Number(now)) == lower


def test_the_tolerance_holds_where_it_is_wider_than_the_interval() -> None:
    assert verdict(expected(0.89, 0.91, tolerance=0.1), Number(0.8)) == "ok"
    assert verdict(expected(0.89, 0.91, tolerance=0.1), Number(0.7999)) == "worse"


def test_without_tolerance_any_confirmed_drop_fails() -> None:
    assert verdict(expected(0.9, 0.9, tolerance=0), Number(0.9)) == "ok"
    assert verdict(expected(0.9, 0.9, tolerance=0), Number(0.899999)) == "worse"
    assert verdict(expected(0.8, 0.9, tolerance=0), Number(0.899999)) == "within noise"


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (-0.1, -0.001, "worse"),
        (-0.1, 0.0, "within noise"),  # no difference is inside
        (-0.1, 0.02, "within noise"),
    ],
)
def test_a_paired_interval_takes_precedence_over_that_of_the_baseline(low: float, high: float, word: str) -> None:
    inside, outside = expected(0.5, 0.99), expected(0.89, 0.91)
    assert verdict(inside, Number(0.85), Change(-0.05, low, high)) == word
    assert verdict(outside, Number(0.85), Change(-0.05, low, high)) == word
    assert verdict(inside, Number(0.881), Change(-0.019, low, high)) == "ok"
    assert verdict(inside, Number(0.95), Change(0.05, -high, -low)) == word.replace("worse", "better")


def test_a_drop_of_more_than_the_margin_is_worse_whatever_the_interval() -> None:
    wide = expected(0.5, 0.99)
    assert verdict(wide, Number(0.8), margin=0.1) == "within noise"  # the margin itself
    assert verdict(wide, Number(0.799), margin=0.1) == "worse"
    assert verdict(wide, Number(0.799), Change(-0.101, -0.4, 0.2), margin=0.1) == "worse"
    assert verdict(wide, Number(1.001), Change(0.101, -0.2, 0.4), margin=0.1) == "within noise"  # gains need proof
    assert verdict(expected(0.5, 0.99, "lower"), Number(1.001), margin=0.1) == "worse"
    assert verdict(expected(0.5, 0.99, tolerance=0.2), Number(0.75), margin=0.1) == "ok"


def test_margins_are_those_of_the_registry_by_key_and_by_path() -> None:
    assert margin_of("accuracy") == margin_of("calibration.after.ece") == pytest.approx(0.1)
    assert margin_of("hd95_cell") == 2.5
    assert margin_of("calibration.before.ece") == math.inf


def check_of(root: Path, content: object, leave_results: LeaveResults, metric: str = "accuracy") -> Check:
    """The check of a metric that was 1, if details.json now has this content."""
    file = leave_results(root, [4] * 10)
    baseline = baseline_of(Folder(root), 0.02)
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return next(check for check in compare(Folder(root), baseline) if check.metric == metric)


def with_accuracy(file: Path, value: object) -> str:
    """The content of details.json with another accuracy."""
    details = json.loads(file.read_text())
    details["metrics"]["accuracy"]["value"] = value
    return json.dumps(details)


def test_a_metric_that_is_not_defined_fails(tmp_path: Path, leave_results: LeaveResults) -> None:
    content = with_accuracy(leave_results(tmp_path, [4] * 10), None)
    check = check_of(tmp_path, content, leave_results)
    assert (check.passed, check.now, check.change, check.verdict) == (False, None, None, "not a number")


@pytest.mark.parametrize("now", [math.nan, math.inf, -math.inf, 10**400, "0.9", True, [0.9], {"value": 0.9}])
def test_a_value_that_is_not_a_finite_number_fails(tmp_path: Path, leave_results: LeaveResults, now: object) -> None:
    content = with_accuracy(leave_results(tmp_path, [4] * 10), now)
    check = check_of(tmp_path, content, leave_results)
    assert (check.passed, check.now, check.change, check.verdict) == (False, None, None, "unreadable file")


@pytest.mark.parametrize("content", ['{"accuracy": 0.', "", "[]", "3", "\x00", "{}"])
def test_a_broken_file_fails(tmp_path: Path, leave_results: LeaveResults, content: str) -> None:
    assert check_of(tmp_path, content, leave_results).verdict == "unreadable file"


def test_a_missing_metric_and_a_missing_file_fail(tmp_path: Path, leave_results: LeaveResults) -> None:
    details = classifier_details(dataset="cells", metrics={"auc": Estimate(value=1.0)})
    content = details.model_copy(
        update={"calibration": details.calibration.model_copy(update={"after": {}})}
    ).model_dump_json()
    assert check_of(tmp_path, content, leave_results).verdict == "no such metric"
    baseline = baseline_of(Folder(tmp_path), 0.02)
    (tmp_path / ACCURACY).unlink()
    checks = compare(Folder(tmp_path), baseline)
    assert [(check.metric, check.verdict, check.passed) for check in checks] == [("auc", "no such file", False)]


def runs(tmp_path: Path, leave_results: LeaveResults, before: list[int], now: list[int]) -> Check:
    """The check of the accuracy, with the predictions of both runs."""
    for name, right in (("before", before), ("now", now)):
        leave_results(tmp_path / name, right)
    old = Folder(tmp_path / "before", "before")
    checks = compare(Folder(tmp_path / "now"), baseline_of(old, 0.02), old)
    return next(check for check in checks if check.metric == "accuracy")


def test_one_image_more_wrong_in_every_group_is_worse(tmp_path: Path, leave_results: LeaveResults) -> None:
    check = runs(tmp_path, leave_results, [4] * 10, [3] * 10)
    assert check.verdict == "worse" and not check.passed
    assert check.change == pytest.approx(-0.25)
    assert check.paired is not None
    assert (check.paired.low, check.paired.high) == pytest.approx((-0.25, -0.25))


def test_the_same_drop_in_one_group_is_within_noise(tmp_path: Path, leave_results: LeaveResults) -> None:
    """Four images in one group of ten may be chance, and a tenth is not yet more than the margin."""
    check = runs(tmp_path, leave_results, [4] * 10, [0] + [4] * 9)
    assert check.verdict == "within noise" and check.passed
    assert check.change == pytest.approx(-0.1)
    assert check.paired is not None and check.paired.high == pytest.approx(-0.1 + 2.262157 * 0.1, abs=1e-6)


def test_a_lost_group_is_worse_and_named(tmp_path: Path) -> None:
    """41 of 410 images, all of one patient: a tenth in all, less than the noise of ten patients."""
    leave_patients(tmp_path / "before", [41] * 10)
    leave_patients(tmp_path / "now", [0] + [41] * 9)
    old = Folder(tmp_path / "before", "before")
    for tolerance in (0.02, 0.2):
        checks = {check.metric: check for check in compare(Folder(tmp_path / "now"), baseline_of(old, tolerance), old)}
        lost = checks["accuracy"]
        assert (lost.verdict, lost.passed) == ("worse", False)
        assert lost.reason == "accuracy: group p0 collapsed: 41 of its 41 images are worse"
        assert lost.paired is not None and lost.paired.high is not None and lost.paired.high > 0


def test_gains_and_exchanged_errors_raise_no_alarm(tmp_path: Path) -> None:
    leave_patients(tmp_path / "before", [30] * 10)
    for now in ([41] + [30] * 9, [41] * 10, [30] * 10, [35, 25] * 5):
        leave_patients(tmp_path / "now", now)
        old = Folder(tmp_path / "before", "before")
        assert all(check.passed for check in compare(Folder(tmp_path / "now"), baseline_of(old), old)), now


def leave_patients(root: Path, right: list[int]) -> None:
    """Results of a classifier that names these numbers of the 41 images of each patient rightly."""
    folder = root / "results/classifiers/masks"
    folder.mkdir(parents=True, exist_ok=True)
    rows, manifest = [], ["id,label,sha256"]
    for patient, count in enumerate(right):
        for number in range(41):
            label, hit = CLASSES[number % 2], number < count
            predicted = label if hit else CLASSES[1 - number % 2]
            scores = (0.9, 0.1) if predicted == CLASSES[0] else (0.1, 0.9)
            rows.append(
                Prediction(
                    id=f"p{patient}_{number:02}",
                    group=f"p{patient}",
                    label=label,
                    predicted=predicted,
                    probabilities=scores,
                )
            )
            manifest.append(f"p{patient}_{number:02},{label},{'a' * 64}")
    Predictions.of(CLASSES, rows).write(folder / "predictions.csv")
    accuracy = Estimate(value=sum(right) / (41 * len(right)), low=0.5, high=1.0)
    details = classifier_details(dataset="cells", metrics={"accuracy": accuracy})
    details.write(folder / "details.json")
    (root / "data/organized/cells").mkdir(parents=True, exist_ok=True)
    (root / "data/organized/cells/manifest.csv").write_text("\n".join(manifest) + "\n")
    (root / "params.yaml").write_text("datasets: {cells: {source: {kind: archive, path: cells.zip}}}\n")


def test_a_drop_of_more_than_the_margin_says_so(tmp_path: Path, leave_results: LeaveResults) -> None:
    """Half of the groups lose three of four images, the others win two: -.125, whatever the interval."""
    check = runs(tmp_path, leave_results, [4, 1] * 5, [1, 3] * 5)
    assert check.change == pytest.approx(-0.125) and check.verdict == "worse"
    assert check.paired is not None and check.paired.high is not None and check.paired.high > 0
    assert check.reason == "accuracy: a loss of more than 0.1 is refused whatever the noise"


def test_calibration_overlap_distance_and_screening_are_watched() -> None:
    """A planted loss of each metric that the gate watches fails, and the same gain passes."""
    watched = {metric for task in TASKS.values() for metric in gated(task)}
    for metric in watched:
        was = expected(0.89, 0.91, metric.direction, metric.tolerance)
        loss = (1 if metric.direction == "lower" else -1) * (metric.margin + 0.001)
        assert verdict(was, Number(0.9 + loss), margin=metric.margin) == "worse", metric.key
        assert verdict(was, Number(0.9 - loss), margin=metric.margin) == "better", metric.key
    keys = {metric.key for metric in watched}
    assert {"ece", "brier", "log_loss", "iou_cell", "hd95_nucleus", "boxes_f1", "named_f1"} <= keys
    assert "count_mean_absolute_error" in keys and "count_mean_error" not in keys  # a signed error has no better side


def test_pairing_detects_a_drop_that_a_wide_interval_hides(tmp_path: Path, leave_results: LeaveResults) -> None:
    """Groups differ widely, and four of five with correct images lose one."""
    before, now = [4, 0] * 5, [3, 0] * 4 + [4, 0]
    paired = runs(tmp_path, leave_results, before, now)
    assert paired.change == pytest.approx(-0.1) and paired.verdict == "worse" and paired.reason == ""
    alone = compare(Folder(tmp_path / "now"), baseline_of(Folder(tmp_path / "before"), 0.02))
    assert next(check.verdict for check in alone if check.metric == "accuracy") == "within noise"


def test_a_metric_that_predictions_do_not_give_is_compared_without_them(
    tmp_path: Path, leave_results: LeaveResults
) -> None:
    leave_results(tmp_path / "before", [4] * 10)
    file = leave_results(tmp_path / "now", [4] * 10)
    file.write_text(with_accuracy(file, 0.5))
    old = Folder(tmp_path / "before")
    check = compare(Folder(tmp_path / "now"), baseline_of(old, 0.02), old)[0]
    assert (check.metric, check.paired, check.verdict) == ("accuracy", None, "worse")


def test_a_segmenter_s_images_are_paired(tmp_path: Path, leave_results: LeaveResults) -> None:
    values = [0.5 + number / 100 for number in range(40)]
    leave_results(tmp_path / "before", dice=values, name="unet")
    leave_results(tmp_path / "now", dice=[value - 0.03 for value in values], name="unet")
    old = Folder(tmp_path / "before")
    for tolerance, word in ((0.02, "worse"), (0.03, "ok"), (0.031, "ok")):
        (check,) = compare(Folder(tmp_path / "now"), baseline_of(old, tolerance), old)
        assert check.verdict == word
        assert check.paired is not None
        assert (check.paired.low, check.paired.high) == pytest.approx((-0.03, -0.03))


@pytest.mark.parametrize(("right", "dice"), [([3] * 10, None), (None, [0.5] * 40)], ids=["classifier", "segmenter"])
def test_other_test_images_fail_whatever_the_numbers(
    tmp_path: Path, leave_results: LeaveResults, right: list[int] | None, dice: list[float] | None
) -> None:
    leave_results(tmp_path / "before", right, dice)
    leave_results(tmp_path / "now", right, dice, pixels="b")
    old = Folder(tmp_path / "before")
    for before in (None, old):
        checks = compare(Folder(tmp_path / "now"), baseline_of(old, 0.02), before)
        assert {check.verdict for check in checks} == {"other test images"}
        assert not any(check.passed or check.change is not None for check in checks)
        assert "numbers cannot be compared" in checks[0].reason


def test_unknown_test_images_fail(tmp_path: Path, leave_results: LeaveResults) -> None:
    file = leave_results(tmp_path, [4] * 10)
    baseline = baseline_of(Folder(tmp_path), 0.02)
    (file.parent / "predictions.csv").unlink()
    check = compare(Folder(tmp_path), baseline)[0]
    assert (check.verdict, check.passed) == ("test images unknown", False)
    assert "predictions.csv of this run: no such file" in check.reason


def test_new_metrics_are_listed_and_missing_ones_fail(tmp_path: Path, leave_results: LeaveResults) -> None:
    old, now = tmp_path / "before", tmp_path / "now"
    leave_results(old, [4] * 10, name="gone")
    leave_results(now, [4] * 10, name="added")
    for name in ("empty", "broken"):  # no number before: nothing can be worse
        leave_results(old, [4] * 10, name=name).write_text('{"accuracy": NaN}' if name == "empty" else "{")
        leave_results(now, [4] * 10, name=name)
    leave_results(old, [4] * 10, name="empty-and-gone").write_text('{"accuracy": null}')
    partial = leave_results(old, [4] * 10, name="partial")
    classifier_details(dataset="cells", metrics={"accuracy": Estimate(value=1.0)}).write(partial)
    leave_results(now, [4] * 10, name="partial")
    checks = compare(Folder(now), baseline_of(Folder(old), 0.02), Folder(old))
    found: dict[str, set[str]] = {}
    for check in checks:
        found.setdefault(Path(check.file).parent.name, set()).add(check.verdict)
    assert found == {
        "gone": {"no such file"},
        "empty-and-gone": {"no such file"},
        "added": {"new"},
        "empty": {"new"},
        "broken": {"new"},
        "partial": {"ok", "new"},
    }
    assert {check.verdict for check in checks if check.passed} == {"ok", "new"}
