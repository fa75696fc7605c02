from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cytopipe.errors import CytopipeError
from cytopipe.evaluation.leaderboard import Entry, accuracy_difference, leaderboard, read_predictions, to_markdown
from cytopipe.io.tables import write_table

IDS = tuple(f"{i:02}" for i in range(40))
GROUPS = tuple(f"g{i // 4}" for i in range(40))


def entry(name: str, right: int, **changes: Any) -> Entry:
    """A classifier that is right on the first images."""
    correct = (np.arange(40) < right).astype(float)
    limits = {"low": right / 40 - 0.1, "high": right / 40 + 0.05}
    metrics = {
        "accuracy": right / 40,
        "balanced_accuracy": 0.5,
        "macro_f1": 0.25,
        "auc": None,
        "interval": {"accuracy": limits},
    }
    given = {
        "name": name,
        "dataset": "d",
        "architecture": "net",
        "channels": "rgb",
        "parameters": 12345,
        "settings": {"architecture": "net", "arguments": {"width": 8}},
        "metrics": metrics,
        "ids": IDS,
        "groups": GROUPS,
        "correct": correct,
    }
    return Entry(**{**given, **changes})


def test_the_most_accurate_is_first_and_ties_go_by_name() -> None:
    board = leaderboard([entry("b", 30), entry("c", 35), entry("a", 30)])
    assert [row["name"] for row in board["d"]["classifiers"]] == ["c", "a", "b"]
    assert board["d"]["test_images"] == 40 and board["d"]["test_groups"] == 10


def test_each_is_compared_with_the_best_on_the_same_images() -> None:
    rows = leaderboard([entry("a", 40), entry("b", 36), entry("c", 40)])["d"]["classifiers"]
    assert rows[0]["against_best"] is None
    assert rows[1]["against_best"] == {"accuracy_difference": 0.0, "interval": {"low": 0.0, "high": 0.0}}
    assert rows[2]["against_best"]["accuracy_difference"] == pytest.approx(-0.1)
    limits = rows[2]["against_best"]["interval"]
    assert limits == {"low": pytest.approx(-0.3), "high": 0.0}  # the four differ in one group of ten


def test_seeds_stand_beside_the_accuracy_with_their_mean_and_spread() -> None:
    several = entry("a", 30)
    values = {"values": [0.75, 0.65, 0.7], "mean": 0.7, "sd": 0.05}
    several = replace(several, metrics={**several.metrics, "seeds": {"count": 3, "accuracy": values}})
    text = to_markdown(leaderboard([several, entry("b", 20)]))
    assert "0.750; 3 seeds 0.700 ± 0.050" in text and text.count("seeds") == 1


def test_a_difference_is_paired() -> None:
    rng = np.random.default_rng(0)
    hard = (rng.random(40) < 0.5).astype(float)
    better = hard.copy()
    better[np.arange(0, 40, 8)[hard[::8] == 0]] = 1  # right wherever the other is, and a little more
    found = accuracy_difference(entry("x", 0, correct=better), entry("y", 0, correct=hard))
    assert found["accuracy_difference"] > 0 and found["interval"]["low"] >= 0
    opposite = accuracy_difference(entry("y", 0, correct=hard), entry("x", 0, correct=better))
    assert opposite["interval"]["high"] == -found["interval"]["low"]


def test_one_group_gives_a_difference_without_an_interval() -> None:
    groups = ("g",) * 40
    board = leaderboard([entry("a", 40, groups=groups), entry("b", 20, channels="masked", groups=groups)])
    assert board["d"]["masks"][0]["interval"] is None
    assert "-0.500 (-): no difference that this test set can resolve" in to_markdown(board)


def test_other_test_images_are_an_error() -> None:
    other = entry("b", 30, ids=tuple(reversed(IDS)))
    with pytest.raises(CytopipeError, match="'b' and 'a' were tested on different images"):
        leaderboard([entry("a", 35), other])


def test_datasets_have_rankings_of_their_own() -> None:
    board = leaderboard([entry("a", 35, dataset="z"), entry("b", 30)])
    assert list(board) == ["d", "z"]
    assert [[row["name"] for row in content["classifiers"]] for content in board.values()] == [["b"], ["a"]]


def test_mask_effects_pair_networks_that_differ_in_nothing_else() -> None:
    deeper = {"architecture": "net", "arguments": {"width": 16}}
    board = leaderboard(
        [
            entry("plain", 30),
            entry("masks", 36, channels="rgb+masks"),
            entry("masked", 20, channels="masked"),
            entry("wide", 33, channels="rgb+masks", settings=deeper),
        ]
    )
    effects = board["d"]["masks"]
    assert [(one["with"], one["without"], one["channels"]) for one in effects] == [
        ("masks", "plain", "rgb+masks"),
        ("masked", "plain", "masked"),
    ]
    assert [one["accuracy_difference"] for one in effects] == pytest.approx([0.15, -0.25])


def test_the_page_holds_the_ranking_and_a_verdict_for_each_pair() -> None:
    text = to_markdown(
        leaderboard(
            [
                entry("plain", 20),
                entry("masks", 36, channels="rgb+masks"),
                entry("masked", 4, channels="masked"),
                entry("other", 21, channels="rgb+masks"),
            ]
        )
    )
    lines = text.splitlines()
    assert lines[0] == "# Leaderboard" and "## d" in lines
    assert "40 test images of 10 groups." in text
    first = [cell.strip() for cell in next(line for line in lines if line.startswith("| masks")).split("|")]
    assert first[1:-1] == ["masks", "rgb+masks", "12,345", "0.900", "0.800 to 0.950", "0.250", "-", "-"]
    verdicts = {line.split("`")[1]: line.rsplit(": ", 1)[1] for line in lines if line.startswith("- ")}
    assert verdicts == {
        "masks": "they help.",
        "masked": "they harm.",
        "other": "no difference that this test set can resolve.",
    }
    assert "nan" not in text.lower()


def test_a_board_is_json() -> None:
    board = leaderboard([entry("a", 30), entry("b", 36, channels="masked")])
    assert json.loads(json.dumps(board, allow_nan=False)) == board


def test_predictions_are_read_as_right_or_wrong(tmp_path: Path) -> None:
    rows = [
        {"id": "1", "group": "g", "label": "a", "predicted": "a", "p_a": 0.9},
        {"id": "2", "group": "h", "label": "b", "predicted": "a", "p_a": 0.6},
    ]
    write_table(tmp_path / "predictions.csv", rows)
    ids, groups, correct = read_predictions(tmp_path / "predictions.csv")
    assert (ids, groups, correct.tolist()) == (("1", "2"), ("g", "h"), [1, 0])
    with pytest.raises(CytopipeError, match=r"none.csv: no predictions\n.*evaluate"):
        read_predictions(tmp_path / "none.csv")


def test_cross_validated_classifiers_are_ranked_apart() -> None:
    folded = entry("b", 30, settings={"folds": 5}, ids=IDS[:20], groups=GROUPS[:20])
    assert list(leaderboard([entry("a", 40), folded])) == ["d", "d, 5 folds"]


def test_a_difference_is_resolved_only_where_enough_groups_show_it() -> None:
    board = leaderboard([entry("a", 40), entry("b", 38), entry("c", 4)])["d"]
    resolved = {(row["first"], row["second"]): row["resolved"] for row in board["pairs"]}
    assert resolved == {("a", "b"): False, ("a", "c"): True, ("b", "c"): True}
    assert board["equals"] == [["a", "b"], ["c"]]
    text = to_markdown({"d": board})
    assert "2 of 3 differences are resolved" in text and "Not told apart: `a`, `b`." in text


def test_correction_counts_the_pairs() -> None:
    entries = [entry("a", 40), *(entry(name, 32) for name in "bcdef")]
    few, many = (leaderboard(entries[:count])["d"]["pairs"][0] for count in (2, 6))
    assert few["p_bootstrap"] < many["p_bootstrap"]
    assert few["p_mcnemar"] == pytest.approx(2 / 2**8)


def test_one_group_resolves_nothing() -> None:
    one = ("g",) * 40
    board = leaderboard([entry("a", 40, groups=one), entry("b", 0, groups=one)])["d"]
    assert board["pairs"][0]["p_bootstrap"] is None and not board["pairs"][0]["resolved"]
    assert board["equals"] == [["a", "b"]]
    assert "one group, which can resolve no difference. Not told apart: `a`, `b`." in to_markdown({"d": board})
