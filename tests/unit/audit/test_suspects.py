"""Suspects of a dataset: flipped labels are among them, test groups never, and a probe that knows nothing is silent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cytopipe.audit.audit import AuditedDataset
from cytopipe.audit.suspects import BY, find_suspects, judge_labels
from cytopipe.data.manifest import Row
from cytopipe.results.suspects import Suspects
from fixture_types import WriteDataset
from made_cells import CLASSES, Cell, draw_cell

GROUPS, IN_GROUP = 40, 8


@pytest.fixture(scope="module")
def drawn() -> list[Cell]:
    """Cells of two classes, one of which is paler, on slides of their own; a quarter of the slides are for testing."""
    rng, found = np.random.default_rng(0), []
    for group in range(GROUPS):
        split = ("train", "train", "val", "test")[group % 4]
        for number in range(IN_GROUP):
            label = number % 2
            image, mask = draw_cell(0, rng, 1.0)
            image = np.where((mask > 0)[..., None] & (label == 1), image // 2 + 90, image).astype(np.uint8)
            id_ = f"s{group:02}_{number}"
            row = Row(
                id_, f"{split}/{CLASSES[label]}/{id_}.png", CLASSES[label], label, split, f"s{group:02}", 0, 0, ""
            )
            found.append(Cell(row, image, mask))
    return found


def flipped(subject: AuditedDataset, share: float = 0.05) -> tuple[list[Row], set[str]]:
    """The rows with so many labels of each split flipped, and the ids of those that are not for testing."""
    rows, rng = list(subject.rows), np.random.default_rng(0)
    chosen = rng.choice(len(rows), round(share * len(rows)), replace=False)
    for k in chosen:
        other = 1 - rows[k].class_index
        rows[k] = replace(rows[k], class_index=other, label=CLASSES[other])
    return rows, {rows[k].id for k in chosen if rows[k].split != "test"}


def features(rows: Sequence[Row], signal: float) -> np.ndarray:
    """Numbers that tell the class of these rows, the better the stronger the signal."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(len(rows), 6)) + signal * np.array([row.class_index for row in rows])[:, None]


@pytest.fixture
def subject(drawn: Sequence[Cell], written: WriteDataset) -> AuditedDataset:
    return written(drawn)


def test_flipped_labels_are_named_and_no_test_image_is(subject: AuditedDataset, tmp_path: Path) -> None:
    rows, wrong = flipped(subject)
    found = find_suspects(rows, subject.items)
    by_id = {row.id: row for row in rows}
    named = {row.id for row in found.rows}
    assert len(wrong & named) >= 0.9 * len(wrong)
    assert len(wrong & named) >= 0.8 * len(named)
    assert {by_id[one].split for one in named} <= {"train", "val"}
    first = found.rows[0]
    assert (first.label, first.by, first.source) == (by_id[first.id].label, BY, by_id[first.id].source)
    assert first.suggested != first.label and first.confidence > first.self_confidence
    summary = found.summary
    assert (summary.images, summary.groups, summary.beside_test) == (GROUPS * IN_GROUP * 3 // 4, GROUPS * 3 // 4, 0)
    assert (summary.suspects, summary.withheld, summary.chance) == (len(named), None, 0.5)
    assert len(find_suspects(subject.rows, subject.items).rows) <= 0.01 * summary.images  # without a flip
    found.write(tmp_path)
    again = Suspects.read(tmp_path)
    assert [row.id for row in again.rows] == [row.id for row in found.rows]
    (tmp_path / "again").mkdir()
    again.write(tmp_path / "again")
    for name in ("suspects.csv", "suspects.json"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_what_test_images_show_or_are_called_changes_nothing(subject: AuditedDataset) -> None:
    rows, _ = flipped(subject)
    others = [
        replace(row, class_index=1 - row.class_index, label=CLASSES[1 - row.class_index])
        if row.split == "test"
        else row
        for row in rows
    ]
    assert find_suspects(rows, subject.items) == find_suspects(others, subject.items)


def test_images_that_were_looked_at_are_not_named_again(subject: AuditedDataset) -> None:
    rows, _ = flipped(subject)
    clear = features(subject.rows, 3.0)
    before = judge_labels(rows, lambda chosen: clear[chosen])
    seen = before.rows[0].id
    after = judge_labels(rows, lambda chosen: clear[chosen], reviewed={seen})
    assert [row.id for row in after.rows] == [row.id for row in before.rows if row.id != seen]
    assert after.summary.reviewed == 1


def test_images_of_a_group_with_test_images_are_not_judged(subject: AuditedDataset) -> None:
    rows = [replace(row, group="s03") if row.group == "s00" else row for row in subject.rows]
    clear = features(subject.rows, 3.0)
    found = judge_labels(rows, lambda chosen: clear[chosen])
    assert found.summary.beside_test == IN_GROUP
    everywhere = [replace(row, group=f"g{number % 7}") for number, row in enumerate(subject.rows)]
    nothing = judge_labels(everywhere, lambda chosen: clear[chosen])
    assert nothing.rows == ()
    assert "no test image" in str(nothing.summary.withheld)


def test_a_probe_at_chance_names_nothing_and_says_why(subject: AuditedDataset) -> None:
    noise = features(subject.rows, 0.0)
    found = judge_labels(subject.rows, lambda chosen: noise[chosen])
    assert found.rows == ()
    assert "too often wrong themselves" in str(found.summary.withheld)
    assert found.summary.accuracy is not None


def test_a_class_of_two_groups_is_not_judged(subject: AuditedDataset) -> None:
    rows = [
        replace(row, class_index=2, label="rare") if row.group in ("s00", "s01") and row.class_index else row
        for row in subject.rows
    ]
    clear = features(subject.rows, 3.0)
    found = judge_labels(rows, lambda chosen: clear[chosen])
    assert found.summary.unjudged == {"rare": IN_GROUP}
    assert found.summary.withheld is None
    assert found.summary.chance == 0.5
