from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cytopipe.errors import CytopipeError
from cytopipe.evaluation.stored_results import Result, Stored, collect, read_results
from cytopipe.params import Params, parse_params

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
    """A project whose run is finished."""
    segmenter, classifier = tmp_path / "results/segmenters/unet", tmp_path / "results/classifiers/masks"
    dice = {"dice_cell": 0.9, "dice_nucleus": 0.9, "dice_cytoplasm": 0.9, "iou_cell": 0.8}
    limits = {name: {"low": 0.8, "high": 1.0} for name in dice} | {"dice_cell": None}
    write(segmenter / "metrics.json", {**dice, "interval": limits, "images": 8, "groups": 2})
    limits = {"accuracy": {"low": 0.5, "high": 1.0}, "auc": None}
    write(classifier / "metrics.json", {"accuracy": 0.75, "auc": None, "interval": limits, "images": 8, "groups": 2})
    about = {"dataset": "tiny", "architecture": "convnext_token_attention", "channels": "rgb+masks"}
    write(classifier / "summary.json", about)
    return tmp_path


def stored(*results: dict[str, Any]) -> Stored:
    return Stored.model_validate({**RUN, "results": results or [RESULT]})


def test_a_run_gives_dice_by_segmenter_and_metrics_by_classifier(finished: Path, params: Params) -> None:
    found = [(one.dataset, one.system, one.metric, one.value, one.n) for one in collect(finished, params)]
    assert found == [
        ("tiny", "unet", "dice_nucleus", 0.9, 8),
        ("tiny", "unet", "dice_cell", 0.9, 8),
        ("tiny", "unet", "dice_cytoplasm", 0.9, 8),
        ("tiny", "masks", "accuracy", 0.75, 8),
    ]
    assert {one.split for one in collect(finished, params)} == {"grouped"}


def test_intervals_are_those_of_the_metrics(finished: Path, params: Params) -> None:
    limits = {one.metric: (one.low, one.high) for one in collect(finished, params)}
    assert limits["dice_nucleus"] == (0.8, 1.0) and limits["dice_cell"] == (None, None)


def test_segmentation_without_intervals_is_of_an_older_run(finished: Path, params: Params) -> None:
    write(finished / "results/segmenters/unet/metrics.json", {"dice_cell": 0.9, "images": 8})
    with pytest.raises(CytopipeError, match=r"(?s)no intervals.*dvc repro"):
        collect(finished, params)


def test_a_segmenter_without_true_masks_has_no_result(finished: Path, params: Params) -> None:
    write(finished / "results/segmenters/unet/metrics.json", {"dice_cell": None, "interval": {}, "images": 0})
    assert {one.system for one in collect(finished, params)} == {"masks"}


@pytest.mark.parametrize("missing", ["segmenters/unet/metrics.json", "classifiers/masks/summary.json"])
def test_an_unfinished_run_is_refused(finished: Path, params: Params, missing: str) -> None:
    (finished / "results" / missing).unlink()
    with pytest.raises(CytopipeError, match=f"(?s){missing}.*dvc repro"):
        collect(finished, params)


def test_results_of_other_parameters_are_refused(finished: Path, params: Params) -> None:
    write(
        finished / "results/classifiers/masks/summary.json",
        {"dataset": "tiny", "architecture": "timm/resnet18", "channels": "rgb+masks"},
    )
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


def test_a_row_has_the_keys_of_the_design_in_order() -> None:
    measured = ["dataset", "system", "split", "metric", "value", "low", "high", "n"]
    made = ["minutes", "machine", "commit", "command"]
    assert [list(row) for row in stored().rows] == [[*measured, *made, "folds", "fold_mean", "fold_sd"]]


def test_results_of_a_changed_tree_say_so() -> None:
    assert "commit 0123456789ab-dirty" in stored().model_copy(update={"commit": f"{RUN['commit']}-dirty"}).made


def test_folds_show_their_mean_and_spread() -> None:
    made = {"dataset": "d", "system": "s", "split": "grouped", "metric": "accuracy", "value": 0.9, "n": 100}
    one = Result(**made, low=0.85, high=0.95, folds=5, fold_mean=0.8961, fold_sd=0.0123)
    assert one.shown == "0.900 (0.850 to 0.950); folds 0.896 ± 0.012"
    assert one.split_shown == "grouped, 5 folds"
    assert Result(**made, low=None, high=None).shown == "0.900"
