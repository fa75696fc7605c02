from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import pytest

from cytopipe.errors import CytopipeError
from cytopipe.external.leaks import Leaks, search
from cytopipe.external.sides import Side
from fixture_types import MakeSide


def searched(home: Side, there: Side, near: bool = True) -> Leaks:
    def progress(items: Any, total: int) -> Any:
        return items

    return search([home], there, near=near, progress=progress, where="evaluations.x.dataset")


def verdicts(found: Leaks) -> dict[str, str]:
    return {finding.check: finding.verdict for finding in found.findings}


def test_two_laboratories_of_other_cells_share_nothing(make_side: MakeSide) -> None:
    found = searched(make_side("a", ("x", "y"), 1, "a"), make_side("b", ("x", "y"), 2, "b"))
    assert verdicts(found) == {"byte_duplicates": "ok", "near_duplicates": "ok", "groups": "ok"}
    assert not found.copies


def test_an_identical_image_is_left_out_and_a_brighter_one_and_a_group_of_the_same_name_reported(
    make_side: MakeSide,
) -> None:
    home, there = make_side("a", ("x", "y"), 1), make_side("b", ("x", "y"), 2)
    same, near, *rest = there.rows
    shutil.copy(home.folder / home.rows[0].path, there.folder / same.path)
    shutil.copy(home.folder / home.rows[5].path, there.folder / near.path)  # as if a bit had been changed
    changed = replace(there, rows=[replace(same, sha256=home.rows[0].sha256), near, *rest])
    found = searched(home, changed)
    assert verdicts(found) == {"byte_duplicates": "fail", "near_duplicates": "fail", "groups": "warning"}
    assert found.copies == {same.id}
    exact, close, groups = found.findings
    assert exact.examples[0].splits == (f"a/{home.rows[0].split}", f"b/{same.split}")
    assert (close.examples[0].ids, close.numbers["images"]) == ((home.rows[5].id, near.id), 1)
    assert groups.numbers == {"shared": 8} and "if they are the same patients" in groups.text
    assert set(verdicts(searched(home, changed, near=False))) == {"byte_duplicates", "groups"}


def test_the_training_dataset_under_another_name_is_refused(make_side: MakeSide) -> None:
    home = make_side("a", ("x", "y"), 1)
    with pytest.raises(CytopipeError, match="32 images of 'twin' are images of 'a', which the model has learnt from"):
        searched(home, replace(home, name="twin"))
