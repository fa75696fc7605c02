"""`cytopipe plan`: a table, JSON, and one clear error for each mistake."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cytopipe.results.predictions import Predictions
from fixture_types import Cytopipe

GIVEN = ("--metric", "accuracy", "--value", "0.9", "--icc", "0.1", "--images-per-group", "10")


def leave(project: Path, groups: int) -> None:
    """Predictions of a finished classifier `c`, four of five right."""
    count = 10 * groups
    truth = np.arange(count) % 2
    shares = np.where(np.arange(count) % 5 == 0, 1 - truth, truth) * 0.6 + 0.2
    images = [(f"{n:03}", f"g{n // 10}", ("a", "b")[label]) for n, label in enumerate(truth)]
    folder = project / "results/classifiers/c"
    folder.mkdir(parents=True, exist_ok=True)
    Predictions.of_images(("a", "b"), images, np.stack([1 - shares, shares], axis=1)).write(folder / "predictions.csv")


def test_given_numbers_as_table_and_json(cytopipe: Cytopipe) -> None:
    result = cytopipe("plan", *GIVEN, "--width", "0.05")
    assert result.exit_code == 0, result.stderr
    (one,) = json.loads(cytopipe("plan", *GIVEN, "--width", "0.05", "--json").stdout)
    assert (one["design_effect"], one["icc"], one["pilot_groups"]) == (1.9, 0.1, 0)
    assert one["groups"] == one["groups_cautious"] == one["groups_in_all"] and one["images"] == 10 * one["groups"]
    assert f" {one['groups']} " in result.stdout and "design effect" in result.stdout


def test_a_finished_classifier_is_a_pilot(project: Path, cytopipe: Cytopipe) -> None:
    leave(project, 12)
    found = json.loads(cytopipe("plan", "c", "--json").stdout)
    assert [one["metric"] for one in found] == ["accuracy", "auc"]
    assert found[0]["value"] == 0.8 and found[0]["pilot_groups"] == 12
    several = ("--images-per-group", "5", "--images-per-group", "20")
    (one,) = json.loads(cytopipe("plan", "c", "--metric", "accuracy", *several, "--json").stdout)
    assert [each["images_per_group"] for each in one["by_images_per_group"]] == [5, 20]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("c",), "the pilot has 4 groups that count, and the variance between groups needs 5"),
        (("nobody",), "there is no finished model 'nobody'"),
        (("c", "--value", "0.9"), "give a model or numbers, not both"),
        (("c", "--icc", "0.1"), "--icc: a pilot has its own value"),
        (("c", "--sd", "0.1"), "--sd: a pilot has its own value"),
        (("c", "--metric", "dice_cell"), "the pilot has no dice_cell"),
        ((), "there is no pilot to plan from"),
        (("--metric", "accuracy", "--value", "0.9"), "give --metric, --value, --icc and --images-per-group"),
    ],
)
def test_mistakes_are_one_clear_error(project: Path, arguments: tuple[str, ...], said: str, cytopipe: Cytopipe) -> None:
    leave(project, 4)
    result = cytopipe("plan", *arguments)
    assert result.exit_code == 1 and said in result.stderr
