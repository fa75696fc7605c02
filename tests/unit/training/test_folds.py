from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cytopipe.data.manifest import Row
from cytopipe.errors import CytopipeError
from cytopipe.results.dataset import LeftOutSite
from cytopipe.training.folds import assign_folds, draw_folds

Organized = tuple[Path, list[Row]]


def rows(groups: int, per_group: int = 4, classes: str = "ab") -> list[Row]:
    """Rows in which each group has images of every class."""
    return [
        Row(f"{g:02}-{i}", "", classes[i % len(classes)], i % len(classes), "train", f"g{g}", 8, 8, f"{g}-{i}")
        for g in range(groups)
        for i in range(per_group)
    ]


def test_every_image_is_tested_once_and_no_group_is_split() -> None:
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


def test_a_class_that_is_missing_in_a_fold_is_an_error() -> None:
    images = [*rows(12, per_group=1, classes="a"), Row("zz", "", "b", 1, "train", "last", 8, 8, "z")]
    with pytest.raises(CytopipeError, match="class 'b' has no image to") as error:
        draw_folds(images, 3, 0, "classifiers.c.folds")
    assert "classifiers.c.folds, fold" in str(error.value.where)


def of_sites(images: list[Row], sites: int) -> list[Row]:
    """The same images, of groups that lie at so many sites."""
    return [replace(row, attributes={"site": f"S{int(row.group[1:]) % sites}"}) for row in images]


def left_out(sites: int) -> LeftOutSite:
    return LeftOutSite(attribute="site", values=tuple(f"S{number}" for number in range(sites)), tested=("S0",))


def test_each_fold_tests_one_site() -> None:
    images = of_sites(rows(24), 4)
    folds = draw_folds(images, 4, 0, "classifiers.*.folds", left_out(4))
    tested = [{images[index].attributes["site"] for index in fold.test} for fold in folds]
    assert sorted(map(tuple, tested)) == [("S0",), ("S1",), ("S2",), ("S3",)]
    for fold, sites in zip(folds, tested, strict=True):
        others = [*fold.train, *fold.validation]
        assert not sites & {images[index].attributes["site"] for index in others}
        assert not {images[index].group for index in fold.train} & {images[index].group for index in fold.validation}


def test_folds_of_sites_are_refused_where_they_cannot_be() -> None:
    with pytest.raises(CytopipeError, match=r"5 folds, but there are 3 values of site.*\n.*write folds: 3"):
        draw_folds(of_sites(rows(24), 3), 5, 0, "x", left_out(3))
    images = [replace(row, label="a" if row.attributes["site"] == "S0" else row.label) for row in of_sites(rows(24), 3)]
    with pytest.raises(CytopipeError, match="class 'b' has no image to test"):
        draw_folds(images, 3, 0, "x", left_out(3))


def test_fewer_folds_than_sites_test_whole_sites(caplog: pytest.LogCaptureFixture) -> None:
    images = of_sites(rows(24), 4)
    folds = draw_folds(images, 2, 0, "x", left_out(4))
    sites = [{images[index].attributes["site"] for index in fold.test} for fold in folds]
    assert not sites[0] & sites[1] and sum(map(len, sites)) == 4
    assert "2 folds test 4 values of site" in caplog.text


def test_too_few_groups_are_an_error() -> None:
    with pytest.raises(CytopipeError, match="3 groups cannot be divided over 5"):
        draw_folds(rows(3), 5, 0, "x")


@pytest.mark.parametrize("count", [2, 3, 4])
def test_every_training_image_is_in_one_fold_with_its_whole_group(organized: Organized, count: int) -> None:
    seed = organized[1][0]
    rows = [
        replace(seed, id=f"{label}{number}", label=label, group=f"{label}{number // 3}", split=split)
        for label in "abc"
        for split, numbers in (("train", range(15)), ("val", range(15, 18)))
        for number in numbers
    ]
    folds = assign_folds(rows, count, seed=0)
    assert set(folds) == {row.id for row in rows if row.split == "train"}
    assert set(folds.values()) == set(range(count))
    for group in {row.group for row in rows if row.split == "train"}:
        assert len({folds[row.id] for row in rows if row.group == group}) == 1


def test_classes_are_spread_over_the_folds(organized: Organized) -> None:
    _, rows = organized
    folds = assign_folds(rows, 2, seed=0)
    for fold in (0, 1):
        assert sorted(row.label for row in rows if folds.get(row.id) == fold) == ["a", "a", "b", "b"]


def test_zero_folds_assign_no_image(organized: Organized) -> None:
    assert assign_folds(organized[1], 0, seed=0) == {}


def test_too_few_groups_for_the_folds_are_an_error(organized: Organized) -> None:
    _, rows = organized
    with pytest.raises(CytopipeError, match="cross_fit: 4 groups cannot be divided over 5"):
        assign_folds(rows, 5, seed=0)
    train = [row for row in rows if row.split == "train"]
    assert sorted(assign_folds([train[0], train[2]], 2, seed=0).values()) == [0, 1]  # one group a class
