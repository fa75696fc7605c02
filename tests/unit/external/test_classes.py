from __future__ import annotations

import pytest

from cytopipe.errors import CytopipeError
from cytopipe.external.classes import match_classes

THEIRS, OURS = ("NEUT", "Lymph", "mono"), ("neutrophil", "lymphocyte", "mono")


def test_classes_are_renamed_keep_their_name_or_are_left_out() -> None:
    assert match_classes(THEIRS, OURS, {"NEUT": "neutrophil"}, "k") == {"NEUT": "neutrophil", "mono": "mono"}
    assert match_classes(THEIRS, OURS, {"NEUT": "mono", "mono": None}, "k") == {"NEUT": "mono"}
    assert match_classes(OURS, OURS, {}, "k") == {label: label for label in OURS}


@pytest.mark.parametrize(
    ("renamed", "message"),
    [
        ({"NEUTR": "neutrophil"}, "the dataset there has no class 'NEUTR'; did you mean: NEUT"),
        ({"NEUT": "neutrofil"}, "the model has no class 'neutrofil'; did you mean: neutrophil"),
        ({"mono": None}, "none in common"),
    ],
)
def test_a_class_that_does_not_exist_is_an_error_with_the_nearest(renamed: dict[str, str | None], message: str) -> None:
    with pytest.raises(CytopipeError) as error:
        match_classes(THEIRS, OURS, renamed, "evaluations.x.classes")
    assert message in error.value.what
    assert str(error.value.where).startswith("evaluations.x.classes")
