from __future__ import annotations

import json

from cytopipe.gate import Check, Expectation, to_json, to_markdown
from cytopipe.gate.results import Change, Number

FILE = "results/classifiers/masks/details.json"
EXPECTED = Expectation(value=0.9, low=0.85, high=0.94, direction="higher", tolerance=0.02)
CHECKS = [
    Check(FILE, "accuracy", EXPECTED, Number(0.8, 0.7, 0.9), "worse", Change(-0.1, -0.15, -0.05)),
    Check(FILE, "auc", EXPECTED, Number(0.9), "ok"),
    Check(FILE, "macro_f1", EXPECTED, None, "not a number"),
    Check("results/segmenters/unet/details.json", "dice_cell", None, Number(0.5), "new"),
    Check("results/segmenters/otsu/details.json", "", None, None, "no such file"),
    Check(
        "results/classifiers/x/details.json", "auc", EXPECTED, Number(0.9), "other test images", reason="they changed"
    ),
    Check("results/classifiers/x/details.json", "auc", EXPECTED, Number(0.9), "test images unknown", reason="no file"),
]


def test_the_table_shows_both_runs_with_intervals_the_change_and_the_verdict() -> None:
    text = to_markdown(CHECKS, "main", "do this")
    assert text.startswith("### Metrics against `main`: failed (5 of 7 metrics)\n\n| metric ")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    assert cells[0] == ["metric", "baseline (95 %)", "now (95 %)", "change (95 %)", "tolerance", "verdict"]
    was = "0.9000 (0.850 to 0.940)"
    assert cells[2:] == [
        [
            "classifiers/masks: accuracy",
            was,
            "0.8000 (0.700 to 0.900)",
            "-0.1000 (-0.150 to -0.050)",
            "0.02",
            "**worse**",
        ],
        ["classifiers/masks: auc", was, "0.9000", "0", "0.02", "ok"],
        ["classifiers/masks: macro_f1", was, "-", "-", "0.02", "**not a number**"],
        ["segmenters/unet: dice_cell", "-", "0.5000", "-", "-", "new"],
        ["segmenters/otsu", "-", "-", "-", "-", "**no such file**"],
        ["classifiers/x: auc", was, "0.9000", "-", "0.02", "**other test images**"],
        ["classifiers/x: auc", was, "0.9000", "-", "0.02", "**test images unknown**"],
    ]
    assert "\n- classifiers/x: they changed; do this\n- classifiers/x: no file\n" in text


def test_a_table_without_a_fault_says_passed() -> None:
    text = to_markdown(CHECKS[1:2], "main", "do this")
    assert text.startswith("### Metrics against `main`: passed\n")
    assert "do this" not in text


def test_json_holds_all_that_the_table_shows() -> None:
    found = to_json(CHECKS, "main")
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["against"], found["passed"]) == ("main", False)
    assert found["checks"][0] == {
        "file": FILE,
        "metric": "accuracy",
        "baseline": {"value": 0.9, "low": 0.85, "high": 0.94},
        "now": {"value": 0.8, "low": 0.7, "high": 0.9},
        "change": -0.1,
        "change_interval": {"low": -0.15, "high": -0.05},
        "direction": "higher",
        "tolerance": 0.02,
        "verdict": "worse",
        "passed": False,
        "reason": None,
    }
    assert [check["verdict"] for check in found["checks"]] == [check.verdict for check in CHECKS]
    assert to_json(CHECKS[1:2], "main")["passed"]
