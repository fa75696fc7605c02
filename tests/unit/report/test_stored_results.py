from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from cytopipe.core.params import Params, parse_params
from cytopipe.errors import CytopipeError
from cytopipe.metrics.registry import measured_metrics
from cytopipe.report.stored_results import Result, Stored, collect, normal_or_abnormal, read_results
from cytopipe.results.classifier import ClassifierDetails
from cytopipe.results.numbers import Estimate
from cytopipe.results.patients import EVALUATION, PatientEvaluation, PatientRule
from cytopipe.results.predictions import Predictions
from made_results import UNDEFINED, classifier_details, dataset_summary, segmenter_details

ROOT = Path(__file__).resolve().parents[3]
RESULT = {
    "dataset": "cells", "system": "unet", "split": "grouped", "metric": "dice_nucleus",
    "value": 0.9561, "low": 0.9498, "high": 0.9601, "n": 1234,
}  # fmt: skip
RUN = {
    "preset": "wbc", "command": "make repro", "commit": "0123456789abcdef0123456789abcdef01234567",
    "machine": "Some CPU, 2 cores", "minutes": 12.5,
}  # fmt: skip


@pytest.fixture
def params() -> Params:
    """The tiny preset with one classifier: dataset tiny, segmenter unet, classifier masks."""
    content = yaml.safe_load((ROOT / "workflow/presets/tiny.yaml").read_text())
    content["classifiers"] = {"masks": content["classifiers"]["masks"]}
    content["screenings"] = {}
    return parse_params(content, "test")


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A project with a finished run."""
    segmenter, classifier = tmp_path / "results/segmenters/unet", tmp_path / "results/classifiers/masks"
    dice = {name: Estimate(value=0.9, low=0.8, high=1.0) for name in ("dice_nucleus", "dice_cytoplasm", "iou_cell")}
    details = segmenter_details({"dice_cell": Estimate(value=0.9), **dice}, dataset="tiny")
    details.write(segmenter / "details.json")
    classifier_made_of("convnext_token_attention").write(classifier / "details.json")
    return tmp_path


def classifier_made_of(architecture: str) -> ClassifierDetails:
    metrics = {metric.key: UNDEFINED for metric in measured_metrics()}
    metrics["accuracy"] = Estimate(value=0.75, low=0.5, high=1.0)
    return classifier_details(
        operating_points=(), dataset="tiny", architecture=architecture, channels="rgb+masks", metrics=metrics
    )


def stored(*results: dict[str, Any]) -> Stored:
    return Stored.model_validate({**RUN, "results": results or [RESULT]})


def test_a_run_gives_dice_by_segmenter_and_metrics_by_classifier(finished: Path, params: Params) -> None:
    found = [(one.dataset, one.system, one.metric, one.value, one.n) for one in collect(finished, params)]
    assert found == [
        ("tiny", "unet", "dice_cell", 0.9, 8),
        ("tiny", "unet", "dice_nucleus", 0.9, 8),
        ("tiny", "unet", "dice_cytoplasm", 0.9, 8),
        ("tiny", "masks", "accuracy", 0.75, 8),
    ]
    assert {one.split for one in collect(finished, params)} == {"grouped"}


def of_three_classes() -> Predictions:
    """Five images: the third is called abnormal only by two classes together, the last one wrongly."""
    rows = [
        ("normal", (0.6, 0.3, 0.1)), ("light", (0.1, 0.2, 0.7)), ("severe", (0.4, 0.3, 0.3)),
        ("severe", (0.2, 0.1, 0.7)), ("normal", (0.45, 0.35, 0.2)),
    ]  # fmt: skip
    images = [(f"i{k}", f"g{k}", label) for k, (label, _) in enumerate(rows)]
    return Predictions.of_images(("normal", "light", "severe"), images, np.array([values for _, values in rows]))


def test_several_classes_say_normal_or_abnormal() -> None:
    assert normal_or_abnormal(of_three_classes(), ["normal"]).value == 4 / 5


def test_the_answer_of_several_classes_is_stored_beside_their_own_numbers(finished: Path, params: Params) -> None:
    folder = finished / "results/classifiers/masks"
    point = classifier_details().operating_points
    details = ClassifierDetails.read(folder / "details.json").model_copy(update={"operating_points": point})
    details.write(folder / "details.json")
    of_three_classes().write(folder / "predictions.csv")
    summary = dataset_summary("tiny", ("normal", "light", "severe"), {"test": 2}, 8)
    summary.model_copy(update={"normal": ("normal",)}).write(finished / "data/organized/tiny/summary.json")
    (found,) = [one for one in collect(finished, params) if one.metric == "normal or abnormal"]
    assert (found.system, found.value) == ("masks", 0.8)


def test_answers_for_patients_are_stored_beside_those_for_images(finished: Path, params: Params) -> None:
    rule = PatientRule(rule="mean", label="worst", specificity=0.95)
    found = PatientEvaluation(
        rules=(rule,), groups=31, wanted_specificity=0.95, auc=Estimate(value=0.9, low=0.8, high=0.97), sensitivity=None
    )
    folder = finished / "results/classifiers/masks/clinical"
    folder.mkdir()
    found.write(folder / EVALUATION)
    images, patients = collect(finished, params)[-2:]
    assert (images.unit, images.n) == ("images", 8) and "unit" not in images.model_dump()
    assert (patients.metric, patients.value, patients.low, patients.n) == ("auc", 0.9, 0.8, 31)
    assert Result.model_validate(patients.model_dump()).unit == "patients"


def test_stored_intervals_equal_those_of_the_metrics(finished: Path, params: Params) -> None:
    limits = {one.metric: (one.low, one.high) for one in collect(finished, params)}
    assert limits["dice_nucleus"] == (0.8, 1.0) and limits["dice_cell"] == (None, None)


def test_a_segmenter_without_true_masks_has_no_result(finished: Path, params: Params) -> None:
    segmenter_details({}, images=0).write(finished / "results/segmenters/unet/details.json")
    assert {one.system for one in collect(finished, params)} == {"masks"}


@pytest.mark.parametrize("missing", ["segmenters/unet/details.json", "classifiers/masks/details.json"])
def test_an_unfinished_run_is_refused(finished: Path, params: Params, missing: str) -> None:
    (finished / "results" / missing).unlink()
    with pytest.raises(CytopipeError, match=f"(?s){missing}.*dvc repro"):
        collect(finished, params)


def test_results_of_other_parameters_are_refused(finished: Path, params: Params) -> None:
    classifier_made_of("timm/resnet18").write(finished / "results/classifiers/masks/details.json")
    with pytest.raises(CytopipeError, match="timm/resnet18"):
        collect(finished, params)


def test_a_stored_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = stored(RESULT, {**RESULT, "system": "otsu", "low": None, "high": None, "note": "untrained"})
    write(tmp_path / "b.json", run.model_dump(mode="json"))
    write(tmp_path / "a.json", run.model_copy(update={"preset": "a"}).model_dump(mode="json"))
    assert [one.preset for one in read_results(tmp_path)] == ["a", "wbc"]
    assert read_results(tmp_path)[1] == run
    assert read_results(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"results": []}, "results"),
        ({"results": [{**RESULT, "value": "good"}]}, "results.0.value"),
        ({"results": [{**RESULT, "n": 0}]}, "results.0.n"),
        ({"results": [{**RESULT, "colour": "red"}]}, "results.0.colour"),
        ({"hostname": "x"}, "hostname"),
        ({"minutes": 0}, "minutes"),
    ],
)
def test_a_faulty_file_is_refused_by_key(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    write(tmp_path / "wbc.json", {**RUN, "results": [RESULT], **change})
    with pytest.raises(CytopipeError, match=rf"wbc\.json: .*{words}"):
        read_results(tmp_path)


def test_a_row_has_its_keys_in_a_fixed_order() -> None:
    measured = ["dataset", "system", "split", "metric", "value", "low", "high", "n"]
    made = ["minutes", "machine", "commit", "command", "intervals"]
    assert [list(row) for row in stored().rows] == [[*measured, *made, "folds", "fold_mean", "fold_sd"]]


def test_results_of_a_changed_tree_say_so() -> None:
    assert stored().made.endswith("; intervals by the percentile bootstrap over groups")
    assert "commit 0123456789ab-dirty" in stored().model_copy(update={"commit": f"{RUN['commit']}-dirty"}).made


def test_folds_show_their_mean_and_spread() -> None:
    made = {"dataset": "d", "system": "s", "split": "grouped", "metric": "accuracy", "value": 0.9, "n": 100}
    one = Result(**made, low=0.85, high=0.95, folds=5, fold_mean=0.8961, fold_sd=0.0123)
    assert one.shown == "0.900 (0.850 to 0.950); folds 0.896 ± 0.012"
    assert one.split_shown == "grouped, 5 folds"
    assert Result(**made, low=None, high=None).shown == "0.900"
