from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cytopipe import paths
from cytopipe.data.imaging.decode import read_png
from cytopipe.errors import CytopipeError
from cytopipe.external.classifier import ClassifierElsewhere, evaluate_classifier
from cytopipe.external.leaks import Leaks
from cytopipe.external.outputs import drop_rows, write_figures
from cytopipe.external.segmenter import evaluate_segmenter_elsewhere
from cytopipe.external.sides import Side
from cytopipe.models.inference.predictor import Predictor
from cytopipe.results.external import ExternalClassifier, ExternalSegmenter
from cytopipe.results.headline import MOST
from cytopipe.results.segmenter import SegmenterPredictions
from fixture_types import MakeSide

CPU = torch.device("cpu")
NOTHING = Leaks((), frozenset())
Evaluate = Callable[..., ClassifierElsewhere]


@pytest.fixture
def evaluated(home: Side) -> Evaluate:

    def evaluate(there: Side, renamed: Mapping[str, str | None], leaks: Leaks = NOTHING) -> ClassifierElsewhere:
        return evaluate_classifier("c", there, renamed, [home.name], leaks, CPU, lambda rows, total: rows, "here")

    return evaluate


def test_every_image_of_every_split_is_predicted_as_cytopipe_predict_does(
    evaluated: Evaluate, make_side: MakeSide
) -> None:
    there = make_side("there", ("bad", "good"), seed=7)
    found = evaluated(there, {})
    predictor = Predictor.load(paths.classifier("c").model, CPU)  # with the model's own segmenter, size and temperature
    own = [one.probabilities for one in predictor(read_png(there.folder / row.path) for row in there.rows)]
    np.testing.assert_allclose(found.there.probabilities, np.stack(own), rtol=1e-6)
    assert [row.id for row in found.predictions.rows] == [row.id for row in there.rows]
    assert {row.split for row in found.rows} == {"train", "val", "test"}
    assert found.details.calibration.temperature == (2.0,)


def test_classes_are_renamed_and_others_counted(evaluated: Evaluate, make_side: MakeSide) -> None:
    found = evaluated(make_side("there", ("BAD", "odd", "fine"), seed=7), {"BAD": "bad", "fine": "good"}).details
    assert found.classes == {"BAD": "bad", "fine": "good"}
    assert (found.images, found.groups, found.left_out, found.absent) == (32, 8, {"odd": 16}, ())
    assert found.per_class["bad"].images == 16


def test_the_internal_test_is_compared_on_the_classes_that_are_there(evaluated: Evaluate, make_side: MakeSide) -> None:
    found = evaluated(make_side("there", ("bad",), seed=7), {}).details
    assert (found.absent, found.home_images, found.images) == (("good",), 16, 16)
    assert found.metrics["auc"].there.value is None and "no test image of good" in found.undefined["auc"]
    assert found.metrics["accuracy"].drop.low is not None


def test_a_drop_is_what_is_lost_and_errors_that_grow_count_as_lost(evaluated: Evaluate, make_side: MakeSide) -> None:
    metrics = evaluated(make_side("there", ("bad", "good"), seed=7), {}).details.metrics
    for key, sign in (("accuracy", 1), ("log_loss", -1)):
        one = metrics[key]
        assert one.home.value is not None and one.there.value is not None
        assert one.drop.value == pytest.approx(sign * (one.home.value - one.there.value))


def test_identical_images_are_left_out_and_counted(evaluated: Evaluate, make_side: MakeSide) -> None:
    there = make_side("there", ("bad", "good"), seed=7)
    found = evaluated(there, {}, Leaks((), frozenset(row.id for row in there.rows[:3]))).details
    assert (found.copies, found.images) == (3, len(there.rows) - 3)


def test_under_5_groups_no_interval_is_claimed(evaluated: Evaluate, make_side: MakeSide) -> None:
    there = make_side("there", ("bad", "good"), seed=7)
    few = replace(there, rows=[row for row in there.rows if row.group in "0123"])
    found = evaluated(few, {}).details
    assert found.metrics["accuracy"].drop.withheld == "there, 4 groups count: under 5, no interval is claimed"
    assert all(one.withheld for one in found.recalibration)
    assert not {"drop_low", "low"} & set(found.headline.root)


def test_other_classes_than_the_model_has_are_refused(evaluated: Evaluate, make_side: MakeSide) -> None:
    there = make_side("there", ("bad", "good"), seed=7)
    with pytest.raises(CytopipeError, match="the model has no class 'god'; did you mean: good"):
        evaluated(there, {"good": "god"})


def test_results_are_read_as_they_were_written_and_the_headline_is_short(
    evaluated: Evaluate, make_side: MakeSide, tmp_path: Path
) -> None:
    found = evaluated(make_side("there", ("bad", "good"), seed=7), {})
    found.details.write(tmp_path / "details.json")
    again = ExternalClassifier.read(tmp_path / "details.json")
    again.write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "details.json").read_bytes()
    assert {"accuracy", "drop", "drop_low", "drop_high"} < set(found.details.headline.root)
    assert len(found.details.headline.root) <= MOST
    write_figures(tmp_path, found)
    assert {path.name for path in tmp_path.glob("*.png")} == {"drop.png", "confusion.png", "reliability.png"}
    assert len(drop_rows(found.details)) == 3 * len(found.details.metrics)


def test_a_segmenter_is_tested_on_the_images_with_true_masks(home: Side, make_side: MakeSide, tmp_path: Path) -> None:
    files = paths.segmenter("s")
    files.model.parent.mkdir(parents=True)
    (paths.classifier("c").model / "segmenter").rename(files.model)
    there = make_side("there", ("x",), seed=7)
    half = replace(there, rows=[replace(row, mask_path="") if row.split == "val" else row for row in there.rows])
    files.predictions.parent.mkdir(parents=True)
    SegmenterPredictions.of([]).write(files.predictions)
    found = evaluate_segmenter_elsewhere("s", half, ["home"], NOTHING, CPU, lambda rows, total: rows, "here")
    assert found.details.images == sum(bool(row.mask_path) for row in half.rows) < len(there.rows)
    dice = found.details.metrics["dice_cell"]
    assert dice.there.low is not None and dice.home.value is None and dice.drop.value is None
    found.details.write(tmp_path / "details.json")
    assert ExternalSegmenter.read(tmp_path / "details.json").task == "segmentation"
    write_figures(tmp_path, found)
    assert (tmp_path / "distribution.png").is_file()
    bare = replace(there, rows=[replace(row, mask_path="") for row in there.rows])
    with pytest.raises(CytopipeError, match="no image of 'there' has a true mask"):
        evaluate_segmenter_elsewhere("s", bare, ["home"], NOTHING, CPU, lambda rows, total: rows, "here")
