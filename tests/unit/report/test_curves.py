from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cytopipe.core.io.tables import write_table
from cytopipe.core.params import load_params
from cytopipe.report.curves import (
    class_keys,
    classifier_curves,
    classifier_training,
    perturbation_curves,
    segmenter_curves,
    training_curves,
)
from cytopipe.report.read import Results, plot_table, read_results, weight_hashes
from cytopipe.results.history import History

TITLES = ["ROC", "Precision and recall", "Reliability", "Selective prediction", "Decision curve"]


@pytest.fixture
def changed(finished_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """Results of a copy of the finished project that a test may change, as the working folder."""
    folder = Path(shutil.copytree(finished_project, tmp_path / "copy"))
    monkeypatch.chdir(folder)
    return read_results(load_params(Path("params.yaml")))


def test_every_table_has_its_curve_in_a_fixed_order(results: Results) -> None:
    assert [curve.title for curve in classifier_curves(results.classifiers["first"])] == TITLES
    assert classifier_curves(results.classifiers["folded"]) == []


def test_a_table_without_rows_has_no_curve(changed: Results) -> None:
    one = changed.classifiers["first"]
    for name, columns in (("roc", ["class", "fpr", "tpr"]), ("decision", ["strategy", "threshold", "net_benefit"])):
        write_table(one.files.plots / f"{name}.csv", [], columns)
    assert [curve.title for curve in classifier_curves(one)] == TITLES[1:4]


def test_classes_share_the_styles_of_the_legend_and_other_problems_have_their_own(changed: Results) -> None:
    one = changed.classifiers["first"]
    file = one.files.plots / "roc.csv"
    rows = [*plot_table(file), *({"class": "any abnormal", "fpr": x, "tpr": x} for x in ("0", "1"))]
    write_table(file, rows)
    roc = classifier_curves(one)[0]
    assert [(key.label, key.style) for key in roc.keys] == [("any abnormal", "question")]
    for key in class_keys(one.classes)[:2]:
        assert f'class="line {key.style}" data-label="{key.label.replace("&", "&amp;")}"' in roc.svg


def test_the_wanted_accuracy_is_that_of_the_metrics(results: Results) -> None:
    coverage = classifier_curves(results.classifiers["first"])[3]
    assert "the wanted accuracy, 95 %." in coverage.text
    assert coverage.svg.count('class="line best"') == 1


def test_training_curves_mark_the_kept_epoch(results: Results) -> None:
    loss, accuracy = classifier_training(results.classifiers["first"])
    assert loss.text == "Kept: epoch 3, 0.400 on validation."
    assert accuracy.text == "Kept: epoch 3, 0.800 on validation."
    assert (loss.title, accuracy.title) == ("Loss by epoch", "Accuracy by epoch")


def test_without_training_there_are_no_curves(results: Results) -> None:
    assert training_curves(History.of([]), "accuracy") == []
    assert segmenter_curves(results.segmenters["otsu"]) == []


def test_a_segmenter_has_a_distribution_of_dice(changed: Results) -> None:
    one = changed.segmenters["unet"]
    one.files.plots.mkdir(parents=True)
    rows = [
        {"measure": measure, "part": part, "share": share, "value": 0.5 + share / 2}
        for measure in ("dice", "hd95")
        for part in ("cell", "nucleus")
        for share in (0.0, 1.0)
    ]
    write_table(one.files.plots / "distribution.csv", rows)
    spread = segmenter_curves(one)[-1]
    assert spread.title == "Distribution of Dice"
    assert [key.label for key in spread.keys] == ["cell", "nucleus"]


def test_deletion_and_insertion(changed: Results) -> None:
    one = changed.classifiers["first"]
    assert perturbation_curves(one) == []
    folder = Path("results/explanations/first/plots")
    folder.mkdir()
    rows = [{"method": name, "fraction": x, "probability": 1 - x} for name in ("grad_cam", "random") for x in (0, 1)]
    write_table(folder / "deletion.csv", rows)
    (curve,) = perturbation_curves(one)
    assert curve.title == "Deletion"
    assert [(key.label, key.style) for key in curve.keys] == [("Grad-CAM", "s0"), ("random order", "guide-line")]


def test_a_missing_table_is_empty(tmp_path: Path) -> None:
    assert plot_table(tmp_path / "none.csv") == []


def test_weights_of_all_folds_are_listed(results: Results) -> None:
    assert weight_hashes(results.classifiers["folded"].files.model) == {"folds/0/weights.safetensors": "ab" * 32}
