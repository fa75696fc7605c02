"""The tables of README.md and docs/, and whether they are those of the stored results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cytopipe.errors import CytopipeError
from cytopipe.report.stored_results import FOLDER, Stored, read_results
from cytopipe.results.leaderboard import Leaderboard, RankedClassifier, Ranking
from cytopipe.results.numbers import Estimate
from result_tables import FIT, RESULTS_PAGE, between, fit_tables, leaderboard, leaderboard_summary, real_results

RESULT = {
    "dataset": "cells", "system": "unet", "split": "grouped", "metric": "dice_nucleus",
    "value": 0.9561, "low": 0.9498, "high": 0.9601, "n": 1234,
}  # fmt: skip
RUN = {
    "preset": "wbc", "command": "make repro", "commit": "0123456789abcdef0123456789abcdef01234567",
    "machine": "Some CPU, 2 cores", "minutes": 12.5,
}  # fmt: skip


def ranked(name: str, accuracy: Estimate, auc: float | None) -> RankedClassifier:
    metrics = {"accuracy": accuracy, "macro_f1": Estimate(value=0.7), "auc": Estimate(value=auc)}
    about = {"architecture": "resnet", "channels": "rgb", "parameters": 9, "settings": {}}
    return RankedClassifier(name=name, metrics=metrics, seeds=None, against_best=None, **about)


def ranking(images: int, *classifiers: RankedClassifier) -> Ranking:
    return Ranking(test_images=images, test_groups=4, classifiers=classifiers, pairs=(), equals=(), masks=())


def stored(*results: dict[str, Any]) -> Stored:
    return Stored.model_validate({**RUN, "results": results})


def cells_of(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]


def test_systems_with_the_same_metrics_share_a_table() -> None:
    accuracy = {**RESULT, "system": "masks", "metric": "accuracy", "low": None, "high": None}
    text = real_results([stored(RESULT, accuracy, {**accuracy, "system": "rgb", "value": 0.5, "note": "no masks"})])
    rows = cells_of(text)
    assert rows[0] == ["dataset", "system", "split", "test images", "Dice of nucleus"]
    assert rows[2] == ["cells", "unet", "grouped", "1,234", "0.956 (0.950 to 0.960)"]
    assert rows[3][-1] == "accuracy"
    assert [row[1:] for row in rows[5:]] == [
        ["masks", "grouped", "1,234", "0.956"],
        ["rgb", "grouped", "1,234", "0.500"],
    ]
    assert "- cells, rgb: no masks" in text
    assert (
        "- wbc: `make repro`, 12.5 min on Some CPU, 2 cores, commit 0123456789ab; intervals by the percentile bootstrap"
        in text
    )


def test_runs_that_name_their_metrics_in_another_order_share_a_table() -> None:
    cell, nucleus = (
        {**RESULT, "metric": key, "value": value} for key, value in (("dice_cell", 0.9), ("dice_nucleus", 0.8))
    )
    other = [one | {"system": "other"} for one in (nucleus, cell)]
    rows = cells_of(real_results([stored(cell, nucleus), stored(*other)]))
    assert len(rows) == 4 and [one[:5] for one in rows[2][4:]] == [one[:5] for one in rows[3][4:]]


def test_a_row_that_two_runs_share_is_shown_once_and_the_list_of_notes_is_closed() -> None:
    dice = {**RESULT, "metric": "dice_cell", "value": 0.9, "note": "starts from ImageNet weights"}
    lines = real_results([stored(dice), stored(dice)]).splitlines()
    assert sum("0.900" in line for line in lines) == 1
    assert lines[lines.index(next(line for line in lines if line.startswith("In parentheses"))) - 1] == ""


def test_the_summary_has_one_row_per_classifier_and_one_column_per_ranked_metric() -> None:
    masks = ranked("masks", Estimate(value=0.75, low=0.5, high=0.9), 0.8)
    rgb = ranked("rgb", Estimate(value=0.75), None)
    board = Leaderboard({"a": ranking(1200, masks, rgb), "b": ranking(8, masks)})
    header, _, *rows = cells_of(leaderboard_summary(board))
    assert header == ["classifier", "dataset", "test images", "accuracy", "95 %", "macro F1", "AUC"]
    assert rows == [
        ["`masks`", "a", "1,200", "0.750", "0.500 to 0.900", "0.700", "0.800"],
        ["`rgb`", "a", "1,200", "0.750", "-", "0.700", "-"],
        ["`masks`", "b", "8", "0.750", "0.500 to 0.900", "0.700", "0.800"],
    ]


def test_a_leaderboard_becomes_a_part_of_a_page() -> None:
    assert leaderboard("# Leaderboard\n\n## cervix\n\ntext\n") == "### cervix\n\ntext"


def test_tables_go_between_the_markers_and_again() -> None:
    page = "before\n<!-- x:begin -->\nold\n<!-- x:end -->\nafter\n"
    once = between(page, "x", "new\n")
    assert once == "before\n<!-- x:begin -->\nnew\n<!-- x:end -->\nafter\n"
    assert between(once, "x", "new") == once


@pytest.mark.parametrize("page", ["nothing", "<!-- x:begin -->", "<!-- x:end --> <!-- x:begin -->"])
def test_a_page_without_markers_is_refused(page: str) -> None:
    with pytest.raises(CytopipeError, match="markers"):
        between(page, "x", "new")


def test_the_page_of_results_is_in_step_with_the_stored_results(root: Path) -> None:
    text = (root / RESULTS_PAGE).read_text(encoding="utf-8")
    expected = between(text, "results", real_results(read_results(root / FOLDER)))
    assert text == expected, "run `python docs/tools/result_tables.py`"


def test_the_table_of_fits_is_in_step_with_what_was_measured(root: Path) -> None:
    text = (root / RESULTS_PAGE).read_text(encoding="utf-8")
    found = json.loads((root / FIT).read_text(encoding="utf-8"))
    assert text == between(text, "fit", fit_tables(found)), "run `python docs/tools/result_tables.py`"


def test_a_difference_of_fits_is_shown_with_its_interval() -> None:
    found = {
        "accuracy": {"stretch": {"mean": 0.5, "by_seed": [0.4, 0.6]}, "pad": {"mean": 0.61, "by_seed": [0.6, 0.62]}},
        "differences": [
            {"first": "stretch", "second": "pad", "difference": 0.11, "low": 0.02, "high": 0.2, "resolved": True}
        ],
        **{"images": 10, "groups": 5, "folds": 2, "seeds": 2, "size": 32, "epochs": 3, "source_pixels": 1.75},
    }
    shown = fit_tables(found)
    assert "| `stretch` |    0.500 | 0.400, 0.600 |" in shown
    assert "`pad` - `stretch` | +0.110 (+0.020 to +0.200) |      yes |" in shown
