from __future__ import annotations

import numpy as np

from cytopipe.data.manifest import Row
from cytopipe.evaluation.classifier.suspects import fold_suspects

CLASSES, GROUPS, IN_GROUP = ("a", "b", "c"), 40, 6


def images() -> tuple[list[Row], np.ndarray, np.ndarray]:
    """Rows, probabilities that are sure of the class, and folds; every fourth group is for testing."""
    rows, rng = [], np.random.default_rng(0)
    for group in range(GROUPS):
        split = ("train", "train", "val", "test")[group % 4]
        for number in range(IN_GROUP):
            k = number % 3
            rows.append(Row(f"i{group:02}{number}", "", CLASSES[k], k, split, f"g{group}", 8, 8, ""))
    sure = np.eye(3)[[row.class_index for row in rows]] * 6 + rng.normal(size=(len(rows), 3))
    probabilities = np.exp(sure) / np.exp(sure).sum(axis=1, keepdims=True)
    return rows, probabilities, np.array([int(row.group[1:]) % 5 for row in rows])


def test_a_classifier_without_folds_has_none() -> None:
    rows, probabilities, part = images()
    assert fold_suspects("one", rows, probabilities, part * 0) is None


def test_planted_errors_are_named_and_test_images_are_not() -> None:
    rows, probabilities, part = images()
    wrong = list(range(0, len(rows), 20))
    probabilities[wrong] = np.roll(probabilities[wrong], 1, axis=1)
    found = fold_suspects("net", rows, probabilities, part)
    assert found is not None
    named = {row.id for row in found.rows}
    planted = {rows[k].id for k in wrong if rows[k].split != "test"}
    assert len(named & planted) >= 0.9 * len(planted)
    assert not named & {row.id for row in rows if row.split == "test"}
    assert found.summary.by == found.rows[0].by == "net, 5 folds"
    assert found.summary.images == sum(row.split != "test" for row in rows)


def test_without_free_groups_it_says_so() -> None:
    rows, probabilities, part = images()
    tested = [Row(row.id, "", row.label, row.class_index, "test", row.group, 8, 8, "") for row in rows]
    found = fold_suspects("net", tested, probabilities, part)
    assert found is not None and found.rows == ()
    assert "no test image" in str(found.summary.withheld)
