from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from cytopipe.gate import Check, Expectation, Folder, baseline_of, compare
from cytopipe.gate.checks import verdict
from cytopipe.gate.results import Change, Number
from cytopipe.results.numbers import Estimate
from made_results import classifier_details

LeaveResults = Callable[..., Path]
ACCURACY = "results/classifiers/masks/details.json"


def expected(low: float | None, high: float | None, direction: str = "higher", tolerance: float = 0.02) -> Expectation:
    """0.9 with this interval."""
    return Expectation(value=0.9, low=low, high=high, direction=direction, tolerance=tolerance)  # type: ignore[arg-type]


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
def test_without_an_interval_the_tolerance_alone_decides(now: float, direction: str, word: str) -> None:
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
def test_a_paired_interval_wins_over_that_of_the_baseline(low: float, high: float, word: str) -> None:
    inside, outside = expected(0.5, 0.99), expected(0.89, 0.91)
    assert verdict(inside, Number(0.85), Change(-0.05, low, high)) == word
    assert verdict(outside, Number(0.85), Change(-0.05, low, high)) == word
    assert verdict(inside, Number(0.881), Change(-0.019, low, high)) == "ok"
    assert verdict(inside, Number(0.95), Change(0.05, -high, -low)) == word.replace("worse", "better")


def check_of(root: Path, content: object, leave_results: LeaveResults, metric: str = "accuracy") -> Check:
    """The check of a metric that was 1 when details.json has this content now."""
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
def test_what_is_no_finite_number_fails(tmp_path: Path, leave_results: LeaveResults, now: object) -> None:
    content = with_accuracy(leave_results(tmp_path, [4] * 10), now)
    check = check_of(tmp_path, content, leave_results)
    assert (check.passed, check.now, check.change, check.verdict) == (False, None, None, "unreadable file")


@pytest.mark.parametrize("content", ['{"accuracy": 0.', "", "[]", "3", "\x00", "{}"])
def test_a_broken_file_fails(tmp_path: Path, leave_results: LeaveResults, content: str) -> None:
    assert check_of(tmp_path, content, leave_results).verdict == "unreadable file"


def test_a_missing_metric_and_a_missing_file_fail(tmp_path: Path, leave_results: LeaveResults) -> None:
    content = classifier_details(dataset="cells", metrics={"auc": Estimate(value=1.0)}).model_dump_json()
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
    """A third of the draws miss that group."""
    check = runs(tmp_path, leave_results, [4] * 10, [0] + [4] * 9)
    assert check.verdict == "within noise" and check.passed
    assert check.change == pytest.approx(-0.1)
    assert check.paired is not None and check.paired.high == 0


def test_pairs_see_what_the_interval_of_a_mixed_test_set_hides(tmp_path: Path, leave_results: LeaveResults) -> None:
    """Groups differ much from each other, and every one that can loses an image."""
    before, now = [4, 0] * 5, [3, 0] * 5
    paired = runs(tmp_path, leave_results, before, now)
    assert (paired.change, paired.verdict) == (pytest.approx(-0.125), "worse")
    alone = compare(Folder(tmp_path / "now"), baseline_of(Folder(tmp_path / "before"), 0.02))
    assert next(check.verdict for check in alone if check.metric == "accuracy") == "within noise"


def test_a_metric_that_the_predictions_do_not_give_is_judged_without_them(
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


@pytest.mark.parametrize("kind", [{"right": [3] * 10}, {"dice": [0.5] * 40}])
def test_other_test_images_fail_whatever_the_numbers_say(
    tmp_path: Path, leave_results: LeaveResults, kind: dict[str, list[float]]
) -> None:
    leave_results(tmp_path / "before", **kind)
    leave_results(tmp_path / "now", **kind, pixels="b")
    old = Folder(tmp_path / "before")
    for before in (None, old):
        checks = compare(Folder(tmp_path / "now"), baseline_of(old, 0.02), before)
        assert {check.verdict for check in checks} == {"other test images"}
        assert not any(check.passed or check.change is not None for check in checks)
        assert "numbers cannot be compared" in checks[0].reason


def test_test_images_that_are_not_known_fail(tmp_path: Path, leave_results: LeaveResults) -> None:
    file = leave_results(tmp_path, [4] * 10)
    baseline = baseline_of(Folder(tmp_path), 0.02)
    (file.parent / "predictions.csv").unlink()
    check = compare(Folder(tmp_path), baseline)[0]
    assert (check.verdict, check.passed) == ("test images unknown", False)
    assert "predictions.csv of this run: no such file" in check.reason


def test_what_is_new_is_listed_and_what_is_gone_fails(tmp_path: Path, leave_results: LeaveResults) -> None:
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
