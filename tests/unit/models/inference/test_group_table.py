from __future__ import annotations

from pathlib import Path

import pytest

from cytopipe.models.inference.group_table import COLUMNS, group_rows, write_groups
from cytopipe.results.patients import PatientRule

RULE = PatientRule(
    rule="max", label="worst", specificity=0.9, slope=1.0, intercept=-1.0, threshold=0.0, withheld="", why=""
)
GROUPS = {"1.png": "ann", "2.png": "ann", "3.png": "bob", "4.png": "eve"}


def rows(**more: str) -> list[dict[str, str]]:
    scores = {"1.png": "0.2", "2.png": "0.9", "3.png": "0.5", "4.png": ""}
    return [
        {"image": name, "abnormal": score, "error": "" if score else "gone", **more} for name, score in scores.items()
    ]


def test_a_row_for_each_group_with_its_most_telling_images_first() -> None:
    ann, bob, eve = group_rows(RULE, rows(), GROUPS, "m")
    assert set(ann) == set(COLUMNS)
    assert ann["telling"] == "2.png|1.png" and ann["decision"] == "abnormal" and bob["decision"] == "normal"
    assert float(bob["score"]) == pytest.approx(0.268941, abs=1e-6)
    assert (eve["score"], eve["decision"], eve["images"], eve["unreadable"]) == ("", "", "0", "1")


def test_a_withheld_threshold_leaves_the_score_without_a_decision() -> None:
    rule = RULE.model_copy(update={"threshold": None})
    assert [row["decision"] for row in group_rows(rule, rows(), GROUPS, "m")] == ["", "", ""]


def test_attention_is_read_from_the_two_numbers_of_each_image() -> None:
    rule = RULE.model_copy(update={"rule": "abmil", "slope": None, "intercept": None})
    ann, *_ = group_rows(rule, rows(attention_energy="1", attention_value="2"), GROUPS, "m")
    assert float(ann["score"]) == pytest.approx(0.880797)


def test_the_table_lies_beside_that_of_the_images(tmp_path: Path) -> None:
    path = write_groups(tmp_path / "preds.csv", group_rows(RULE, rows(), GROUPS, "m"))
    assert path == tmp_path / "preds.by.csv"
    assert path.read_text().startswith("group,score,decision,images,unreadable,telling,rule,model\nann,")
