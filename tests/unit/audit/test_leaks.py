from __future__ import annotations

from cytopipe.audit import leaks
from cytopipe.audit.findings import MOST_EXAMPLES
from cytopipe.audit.hashes import Pair
from cytopipe.data.manifest import Row
from cytopipe.results.audit import Example


def row(id_: str, split: str, group: str, sha256: str = "", label: str = "a") -> Row:
    return Row(id_, f"{split}/{id_}.png", label, 0, split, group, 9, 9, sha256 or id_)


ROWS = [
    row("a", "train", "g1", "same"),
    row("b", "test", "g2", "same", label="other"),
    row("c", "train", "g1"),
    row("d", "train", "g3"),
    row("e", "val", "g4"),
    row("f", "val", "g4"),
]


def test_sets_of_identical_images_are_counted_by_where_they_lie() -> None:
    finding = leaks.byte_duplicates([*ROWS, row("x", "val", "g5", "twice"), row("y", "val", "g6", "twice")])
    assert finding.verdict == "fail"
    assert finding.numbers == {"sets": 2, "across_splits": 1, "across_groups": 1, "labels_differ": 1}
    assert finding.examples[0] == Example(ids=("a", "b"), splits=("train", "test"), distance=0)
    assert leaks.byte_duplicates(ROWS[2:]).verdict == "ok"


def test_copies_in_one_group_are_no_leak_but_two_labels_are_a_warning() -> None:
    same = [row("a", "train", "g", "s"), row("b", "train", "g", "s")]
    assert leaks.byte_duplicates(same).verdict == "ok"
    same[1] = row("b", "train", "g", "s", label="other")
    assert leaks.byte_duplicates(same).verdict == "warning"


def test_near_duplicates_are_sorted_by_where_they_lie_and_identical_ones_left_out() -> None:
    pairs = [Pair(0, 1, 0, 1.0), Pair(2, 4, 9, 0.9), Pair(3, 4, 5, 0.95), Pair(2, 3, 7, 0.8), Pair(4, 5, 3, 0.99)]
    assert leaks.sort_pairs(ROWS, pairs) == ([pairs[2], pairs[1]], [pairs[3]], [pairs[4]])
    finding = leaks.near_duplicates(ROWS, pairs)
    assert finding.verdict == "fail"
    assert finding.numbers == {
        "across_splits": 2,
        "across_groups": 1,
        "within_groups": 1,
        "images_across_splits": 3,
        "shifted_or_turned": 0,
        "labels_differ": 0,
    }
    assert finding.examples[0] == Example(ids=("d", "e"), splits=("train", "val"), distance=5)
    assert leaks.near_duplicates(ROWS, pairs[3:]).verdict == "warning"
    assert leaks.near_duplicates(ROWS, pairs[4:]).verdict == "ok"


def test_groups_in_several_splits_are_named() -> None:
    assert leaks.groups_across_splits(ROWS).verdict == "ok"
    finding = leaks.groups_across_splits([*ROWS, row("x", "test", "g3")])
    assert (finding.verdict, finding.numbers["across_splits"], finding.numbers["images_of_these"]) == ("fail", 1, 2)
    assert finding.examples == (Example(ids=("d", "x"), splits=("train", "test"), distance=None),)


def test_examples_are_few() -> None:
    rows = [row(f"{side}{number:03d}", side, str(number)) for side in ("test", "train") for number in range(50)]
    assert len(leaks.groups_across_splits(rows).examples) == MOST_EXAMPLES
    assert leaks.groups_across_splits(rows).numbers["across_splits"] == 50


def test_units_join_groups_that_share_copies() -> None:
    units = leaks.independent_units(ROWS, [Pair(3, 4, 5, 0.9)])
    assert units[0] == units[1] == units[2]  # g1 and g2: identical images
    assert units[3] == units[4] == units[5]  # g3 and g4: near-duplicates
    assert units[0] != units[3]
    assert leaks.independent_units(ROWS[2:], []) == ["g1", "g3", "g4", "g4"]
