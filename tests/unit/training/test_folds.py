from __future__ import annotations

import pytest

from cytopipe.data.manifest import Row
from cytopipe.errors import CytopipeError
from cytopipe.training.folds import draw_folds


def rows(groups: int, per_group: int = 4, classes: str = "ab") -> list[Row]:
    """Each group holds images of every class."""
    return [
        Row(f"{g:02}-{i}", "", classes[i % len(classes)], i % len(classes), "train", f"g{g}", 8, 8, f"{g}-{i}")
        for g in range(groups)
        for i in range(per_group)
    ]


def test_every_image_is_tested_once_and_no_group_is_torn() -> None:
    images = rows(20)
    folds = draw_folds(images, 5, 0, "classifiers.c.folds")
    assert sorted(index for fold in folds for index in fold.test) == list(range(80))
    for fold in folds:
        parts = [fold.train, fold.validation, fold.test]
        assert sorted(index for part in parts for index in part) == list(range(80))
        groups = [{images[index].group for index in part} for part in parts]
        assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
        assert len(fold.test) == 16


def test_the_seed_draws_other_folds_and_the_same_seed_the_same() -> None:
    one, again, other = (draw_folds(rows(20), 4, seed, "x") for seed in (0, 0, 1))
    assert [fold.test.tolist() for fold in one] == [fold.test.tolist() for fold in again]
    assert [fold.test.tolist() for fold in one] != [fold.test.tolist() for fold in other]


def test_a_class_that_a_fold_would_lack_is_an_error() -> None:
    images = [*rows(12, per_group=1, classes="a"), Row("zz", "", "b", 1, "train", "last", 8, 8, "z")]
    with pytest.raises(CytopipeError, match="class 'b' has no image to") as error:
        draw_folds(images, 3, 0, "classifiers.c.folds")
    assert "classifiers.c.folds, fold" in str(error.value.where)


def test_too_few_groups_are_an_error() -> None:
    with pytest.raises(CytopipeError, match="3 groups cannot be divided over 5"):
        draw_folds(rows(3), 5, 0, "x")
