from __future__ import annotations

import logging
from collections import Counter, defaultdict

import numpy as np
import pytest

from cytopipe.core.params import DEVELOPMENT, Split
from cytopipe.data.splits import assign_splits, check_splits, divide, join_copies, torn
from cytopipe.errors import CytopipeError

FRACTIONS = (0.6, 0.2, 0.2)
GROUPED = Split(kind="grouped", val=0.2, test=0.2, seed=0)

# Images and cells of each class, from SIPaKMeD's paper.
SIPAKMED = {
    "Superficial-Intermediate": (126, 831),
    "Parabasal": (108, 787),
    "Koilocytotic": (238, 825),
    "Dyskeratotic": (223, 813),
    "Metaplastic": (271, 793),
}


def sipakmed(seed: int) -> tuple[list[str], list[str]]:
    """Labels and groups of as many cells from as many fields as the real dataset has."""
    rng = np.random.default_rng(seed)
    labels, groups = [], []
    for label, (fields, cells) in SIPAKMED.items():
        sizes = 1 + rng.multinomial(cells - fields, rng.dirichlet(np.ones(fields)))
        for field, size in enumerate(sizes):
            labels += [label] * size
            groups += [f"{label}_{field}"] * size
    return labels, groups


def mixed(seed: int) -> tuple[list[str], list[str]]:
    """Groups (patients) of very different sizes that hold several classes each."""
    rng = np.random.default_rng(seed)
    labels, groups = [], []
    for group in range(int(rng.integers(3, 60))):
        for label in rng.choice(5, size=rng.integers(1, 5), replace=False):
            size = int(rng.lognormal(1.5, 1)) + 1
            labels += [f"class {label}"] * size
            groups += [f"patient {group}"] * size
    return labels, groups


def shares(labels: list[str], parts: list[int]) -> dict[str, list[float]]:
    counts = Counter(zip(labels, parts, strict=True))
    return {label: [counts[label, part] / labels.count(label) for part in range(3)] for label in set(labels)}


def sides(groups: list[str], parts: list[int]) -> dict[str, set[int]]:
    found = defaultdict(set)
    for group, part in zip(groups, parts, strict=True):
        found[group].add(part)
    return found


@pytest.mark.parametrize("seed", range(40))
def test_no_group_ever_straddles(seed: int) -> None:
    labels, groups = mixed(seed)
    parts = divide(labels, groups, FRACTIONS, seed, "x")
    assert all(len(found) == 1 for found in sides(groups, parts).values())
    assert set(parts) == {0, 1, 2}


@pytest.mark.parametrize("seed", range(5))
def test_classes_are_spread_to_a_percent_over_a_dataset_like_sipakmed(seed: int) -> None:
    labels, groups = sipakmed(seed)
    parts = divide(labels, groups, FRACTIONS, seed, "x")
    assert all(len(found) == 1 for found in sides(groups, parts).values())
    for found in shares(labels, parts).values():
        assert found == pytest.approx(FRACTIONS, abs=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_classes_are_spread_over_patients_that_hold_both(seed: int) -> None:
    # Like NLM malaria: 201 patients, 50 of them without parasites, sizes that vary tenfold.
    rng = np.random.default_rng(seed)
    labels, groups = [], []
    for patient in range(201):
        infected = 0 if patient < 50 else rng.beta(2, 1.2)
        for _ in range(int(rng.lognormal(3.6, 0.7)) + 1):
            labels.append("infected" if rng.random() < infected else "healthy")
            groups.append(str(patient))
    for found in shares(labels, divide(labels, groups, FRACTIONS, seed, "x")).values():
        assert found == pytest.approx(FRACTIONS, abs=0.02)


def test_groups_of_one_image_give_exact_fractions() -> None:
    labels = ["a"] * 50 + ["b"] * 10
    found = shares(labels, divide(labels, [str(i) for i in range(60)], FRACTIONS, 0, "x"))
    assert found == {"a": pytest.approx(FRACTIONS), "b": pytest.approx(FRACTIONS)}


@pytest.mark.parametrize("seed", range(30))
def test_a_class_of_three_groups_reaches_every_part(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, groups = [], []
    for group in range(20):
        size = int(rng.integers(1, 40))
        labels += ["common"] * size
        groups += [str(group)] * size
    for group in rng.choice(20, 3, replace=False):  # beside common cells, in groups of any size
        labels.append("rare")
        groups.append(str(group))
    assert sorted(shares(labels, divide(labels, groups, FRACTIONS, seed, "x"))["rare"]) == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("seed", range(5))
def test_groups_that_are_a_parts_last_chance_of_a_class_go_there(seed: int) -> None:
    # Patients 0, 2 and 3 alone hold the class a: each must go to another part, though 0 changes no share by much.
    patients = [{"a": 1, "b": 1}, {"b": 5}, {"b": 5, "a": 20}, {"b": 5, "a": 20}]
    labels = [label for patient in patients for label, count in patient.items() for _ in range(count)]
    groups = [str(index) for index, patient in enumerate(patients) for _ in range(sum(patient.values()))]
    found = shares(labels, divide(labels, groups, FRACTIONS, seed, "x"))
    assert all(share > 0 for parts in found.values() for share in parts)


def test_the_seed_alone_decides() -> None:
    labels, groups = sipakmed(0)
    first = divide(labels, groups, FRACTIONS, 1, "x")
    assert divide(labels, groups, FRACTIONS, 1, "x") == first
    assert divide(labels, groups, FRACTIONS, 2, "x") != first
    order = np.random.default_rng(0).permutation(len(labels))
    shuffled = divide([labels[i] for i in order], [groups[i] for i in order], FRACTIONS, 1, "x")
    assert shuffled == [first[i] for i in order]  # the order of the images does not


def test_fewer_groups_than_splits_are_an_error() -> None:
    with pytest.raises(
        CytopipeError, match=r"datasets\.x\.split: 2 groups cannot be divided over 3 splits\n  -> check"
    ):
        assign_splits(["a", "b", "a"], ["1", "1", "2"], [None] * 3, GROUPED, "datasets.x.split")


def test_a_class_that_cannot_reach_every_split_is_named() -> None:
    labels = ["a"] * 9 + ["rare"] * 2
    groups = [*(str(i) for i in range(9)), "10", "11"]
    message = r"x: the 2 images of 'rare' are of 2 groups \(10, 11\); 3 groups are needed, one for each of train"
    with pytest.raises(CytopipeError, match=message + r".*\n  -> exclude .*no other seed or fraction can help"):
        assign_splits(labels, groups, [None] * 11, GROUPED, "x")
    with pytest.raises(CytopipeError, match=r"are of 2 different images \(10, 11\); 3 different images are needed"):
        assign_splits(labels, groups, [None] * 11, Split(kind="random"), "x")
    with pytest.raises(CytopipeError, match=r"the 5 images of 'rare' are of 1 group \(P9\); 3 groups are needed"):
        assign_splits(["a"] * 9 + ["rare"] * 5, [*groups[:9], *["P9"] * 5], [None] * 14, GROUPED, "x")


def test_a_class_that_the_publisher_leaves_out_asks_for_another_kind_of_split() -> None:
    published = ["train", "val", "test", "train"]
    with pytest.raises(CytopipeError, match=r"the class 'b' .* none in the val split\n  -> exclude .*kind: grouped"):
        assign_splits(["a"] * 3 + ["b"], list("1234"), published, Split(kind="published"), "x")


def test_a_development_set_needs_two_groups_of_each_class() -> None:
    published = [DEVELOPMENT] * 4 + ["test"] * 2
    with pytest.raises(CytopipeError, match=r"2 images of 'b' are of 1 group \(3\); 2 groups are needed, .* val"):
        assign_splits(list("aabbab"), list("123345"), published, Split(kind="published"), "x")


def test_fractions_are_those_of_the_parameters() -> None:
    split = Split(kind="random", val=0.1, test=0.3, seed=0)
    found = assign_splits(["a"] * 100, [str(i) for i in range(100)], [None] * 100, split, "x")
    assert Counter(found) == {"train": 60, "val": 10, "test": 30}


def test_published_splits_are_kept() -> None:
    published = ["train", "val", "test"] * 2
    labels = ["a"] * 3 + ["b"] * 3
    split = Split(kind="published")
    assert assign_splits(labels, list("123456"), published, split, "x") == published


def test_published_splits_that_tear_a_group_are_an_error() -> None:
    published = ["train", "val", "test", "train"]
    with pytest.raises(CytopipeError, match=r"1 groups or sets .* first 'P1' in train, val\n  -> use kind: grouped"):
        assign_splits(["a"] * 4, ["P1", "P1", "P2", "P3"], published, Split(kind="published"), "x")


def test_an_image_without_a_published_split_is_an_error() -> None:
    with pytest.raises(CytopipeError, match="1 of 3 images have no published split"):
        assign_splits(["a"] * 3, list("123"), ["train", None, "test"], Split(kind="published"), "x")


def test_a_torn_group_is_found() -> None:
    check_splits(["a"] * 3, list("123"), ["train", "val", "test"], "x")
    with pytest.raises(CytopipeError, match="lie in several splits"):
        check_splits(["a"] * 4, list("1231"), ["train", "val", "test", "test"], "x")


def test_torn_units_come_with_their_splits() -> None:
    assert torn(list("bbacc"), ["test", "train", "val", "val", "val"]) == {"b": ["test", "train"]}


def test_published_splits_that_tear_groups_can_be_reported(caplog: pytest.LogCaptureFixture) -> None:
    published = ["train", "val", "test", "train"]
    split = Split(kind="published", torn_groups="report")
    with caplog.at_level(logging.WARNING, "cytopipe"):
        assert assign_splits(["a"] * 4, ["P1", "P1", "P2", "P3"], published, split, "x") == published
    assert "x: THE PUBLISHED SPLIT IS NOT INDEPENDENT: of 3 groups" in caplog.text
    assert "1 lie in several splits, first 'P1' in train, val" in caplog.text


def test_whole_published_splits_need_no_report(caplog: pytest.LogCaptureFixture) -> None:
    split = Split(kind="published", torn_groups="report")
    assign_splits(["a"] * 3, list("123"), ["train", "val", "test"], split, "x")
    assert not caplog.text


def test_reporting_does_not_hide_a_missing_class() -> None:
    split = Split(kind="published", torn_groups="report")
    with pytest.raises(CytopipeError, match=r"the class 'b' .* has none in the train split"):
        assign_splits(["a", "a", "a", "b"], list("1234"), ["train", "val", "test", "val"], split, "x")


def test_a_published_split_without_images_for_testing_is_an_error() -> None:
    with pytest.raises(CytopipeError, match=r"x: the publisher's split has no test images\n  -> use kind: grouped, or"):
        assign_splits(["a"] * 2, list("12"), ["train", "val"], Split(kind="published"), "x")
    with pytest.raises(CytopipeError, match="has no val and no test images"):
        assign_splits(["a"] * 2, list("12"), ["train", "train"], Split(kind="published"), "x")


def test_images_for_development_are_divided_into_train_and_val_by_groups() -> None:
    published = [DEVELOPMENT] * 40 + ["test"] * 4
    labels, units = ["a", "b"] * 22, [str(index // 4) for index in range(44)]
    result = assign_splits(labels, units, published, Split(kind="published", val=0.2), "x")
    assert Counter(result) == {"train": 32, "val": 8, "test": 4}
    assert result[40:] == ["test"] * 4
    assert not torn(units, result)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("parts", [3, 5])
def test_no_part_stays_empty_where_classes_have_few_groups(parts: int, seed: int) -> None:
    groups = [f"{label}{number}" for label in "abcde" for number in range(2)]
    found = divide([group[0] for group in groups], groups, [1 / parts] * parts, seed, "x")
    assert set(found) == set(range(parts))


def test_groups_with_a_common_image_are_one_unit() -> None:
    assert join_copies(["a", "b", "c", "d"], ["1", "2", "2", "3"]) == ["a", "b", "b", "d"]
    assert join_copies(["c", "b", "a", "c", "d"], ["1", "1", "2", "2", "3"]) == ["a", "a", "a", "a", "d"]  # b - c - a
