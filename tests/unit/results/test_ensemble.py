from __future__ import annotations

from pathlib import Path

import pytest

from cytopipe.errors import CytopipeError
from cytopipe.results.ensemble import CHOSEN_ON, ENSEMBLE, PERFORMANCE, Ensemble
from made_ensemble import RULE

ONE = Ensemble(
    kind="folds",
    members={"folds/0": "a" * 64, "folds/1": "b" * 64},
    decision_rule=RULE,
    images=8,
    groups=2,
    chosen_on=CHOSEN_ON["folds"],
    performance=PERFORMANCE["folds"],
)


def test_thresholds_keep_every_digit(tmp_path: Path) -> None:
    assert Ensemble.read(tmp_path) is None
    (tmp_path / ENSEMBLE).write_bytes(ONE.to_json())
    assert Ensemble.read(tmp_path) == ONE
    assert b"0.6180339887498949" in ONE.to_json() and b"cross-validated" in ONE.to_json()


@pytest.mark.parametrize("part", ["../x", "/folds/0", "seeds/1", "folds/0/../1", "folds/..", "folds", ""])
def test_a_network_outside_the_folder_is_refused(part: str) -> None:
    strange = ONE.model_copy(update={"members": {"folds/0": "a" * 64, part: "b" * 64}})
    with pytest.raises(CytopipeError, match=r"is no network of this folder"):
        Ensemble.parse(strange.to_json(), Path("x/ensemble.json"))


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (b'"kind": "folds"', b'"kind": "votes"', "kind: Input should be 'folds' or 'seeds'"),
        (b'"groups": 2', b'"groups": 0', "groups: Input should be greater than 0"),
        (b'"kind"', b'"sort"', "kind: Field required"),
        (b'"temperature"', b'"heat"', "decision_rule.temperature: Field required"),
    ],
)
def test_a_damaged_file_names_its_key(before: bytes, after: bytes, message: str) -> None:
    with pytest.raises(CytopipeError, match=message):
        Ensemble.parse(ONE.to_json().replace(before, after), Path("x/ensemble.json"))
