"""A table of corrections: what it changes, what it must not move, and every mistake that a person may make in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cytopipe.core.io.hashing import hash_tree, sha256_file
from cytopipe.core.params import SPLITS, Dataset
from cytopipe.data.manifest import Row
from cytopipe.data.organize import organize
from cytopipe.errors import CytopipeError
from cytopipe.paths import CORRECTIONS
from cytopipe.results.dataset import DatasetSummary
from fixture_types import SaveImage

TABLE = CORRECTIONS / "mine.csv"
PATIENTS, CELLS = 12, 4
Organized = tuple[list[Row], dict[str, Any], Path]
Correct = Callable[..., Organized]


@pytest.fixture
def correct(tmp_path: Path, save_image: SaveImage, monkeypatch: pytest.MonkeyPatch) -> Correct:
    """Organize an ImageFolder of twelve patients, each with cells of two classes, with these rows as corrections."""
    for patient in range(PATIENTS):
        for cell in range(CELLS):
            label = ("benign", "malignant")[cell % 2]
            save_image(tmp_path / "raw" / label / f"P{patient:02}_{cell}.png", patient * CELLS + cell)
    monkeypatch.chdir(tmp_path)
    runs = 0

    def run(
        rows: Sequence[str] | None = None,
        table: Path = TABLE,
        options: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Organized:
        nonlocal runs
        runs += 1
        given: dict[str, Any] = {"group_pattern": r"(P\d+)_", **(options or {})}
        if rows is not None:
            (tmp_path / CORRECTIONS).mkdir(parents=True, exist_ok=True)
            (tmp_path / TABLE).write_text("\n".join(("image,label,reason", *rows)) + "\n", encoding="utf-8")
            given["corrections"] = table.as_posix()
        dataset = Dataset.model_validate(
            {
                "adapter": "folder",
                "source": {"kind": "archive", "path": "cells"},
                "options": given,
                "exclude_classes": [],
                "bad_images": "error",
                "split": {"val": 0.25, "test": 0.25, "seed": 0},
                "segmenter": "otsu",
                "image_size": 32,
                **changes,
            }
        )
        folder = tmp_path / f"out{runs}"
        folders = {name: folder / name for name in (*SPLITS, "masks")}
        for path in folders.values():
            path.mkdir(parents=True)
        found, summary = organize("cells", dataset, tmp_path / "raw", folders, lambda items, total: items)
        DatasetSummary.model_validate(summary)
        return found, summary, folder

    return run


def of_split(rows: Sequence[Row], split: str, label: str = "benign") -> list[Row]:
    return [row for row in rows if (row.split, row.label) == (split, label)]


def test_without_a_table_nothing_is_said_of_corrections(correct: Correct) -> None:
    assert "corrections" not in correct()[1]


def test_a_label_changes_and_no_image_moves(correct: Correct) -> None:
    before, _, _ = correct()
    chosen = of_split(before, "train")[0]
    after, summary, folder = correct([f"{chosen.id},malignant,two readers"])
    moved = replace(chosen, label="malignant", class_index=1, path=f"train/malignant/{chosen.id}.png")
    assert after == [moved if row.id == chosen.id else row for row in before]
    assert (folder / moved.path).is_file()
    made = summary["corrections"]
    assert (made["relabelled"], made["left_out"], made["confirmed"]) == (1, 0, 0)
    assert made["changes"] == {"benign -> malignant": 1}
    assert made["sha256"] == sha256_file(TABLE)
    assert made["images"] == [{"id": chosen.id, "was": "benign", "now": "malignant", "reason": "two readers"}]


def test_an_image_is_left_out_and_the_others_stay_where_they_were(correct: Correct) -> None:
    before, _, _ = correct()
    chosen = of_split(before, "val")[0]
    after, summary, folder = correct([f"{chosen.source},Leave out,out of focus"])  # by its file
    assert after == [row for row in before if row.id != chosen.id]
    assert not list(folder.rglob(f"{chosen.id}.png"))
    assert summary["corrections"]["left_out"] == 1
    assert summary["images"] == len(before) - 1
    assert summary["files"]["left_out"]["images that corrections leave out"]["count"] == 1


def test_many_corrections_redraw_no_split(correct: Correct) -> None:
    before, _, _ = correct()
    rows = [f"{row.id},{'malignant' if number % 2 else 'leave out'},seen" for number, row in enumerate(before)]
    kept = [row for row, other in zip(rows, before, strict=True) if (other.split, other.label) == ("train", "benign")]
    after, _, _ = correct(kept[1:])
    splits = {row.id: row.split for row in before}
    assert all(splits[row.id] == row.split for row in after)


def test_a_confirmed_label_is_recorded_and_changes_nothing(correct: Correct) -> None:
    before, _, folder = correct()
    after, summary, other = correct([f"{before[0].id},{before[0].label},looked at again"])
    assert after == before
    assert hash_tree(folder) == hash_tree(other)
    assert summary["corrections"]["confirmed"] == 1


def test_a_broken_image_can_be_left_out(correct: Correct, tmp_path: Path) -> None:
    (tmp_path / "raw/benign/P00_9.png").write_bytes(b"no image")
    with pytest.raises(CytopipeError, match="P00_9"):
        correct()
    rows, summary, _ = correct(["benign/P00_9.png,leave out,cannot be opened"])
    assert len(rows) == PATIENTS * CELLS
    assert summary["corrections"]["left_out"] == 1


def test_zeros_that_a_spreadsheet_drops_are_found_again(
    correct: Correct, tmp_path: Path, save_image: SaveImage
) -> None:
    for number in range(12):
        for label in "ab":
            save_image(tmp_path / f"raw2/{label}/{label}{number:03}.png", 100 + number + 50 * (label == "b"))
    (tmp_path / "raw").rename(tmp_path / "old")
    (tmp_path / "raw2").rename(tmp_path / "raw")
    before, _, _ = correct(options={"group_pattern": None})
    chosen = of_split(before, "train", "a")[0]
    shortened = chosen.id.replace("a0", "a", 1).replace("a0", "a", 1)
    _, summary, _ = correct([f"{shortened},b,seen"], options={"group_pattern": None})
    assert summary["corrections"]["images"][0]["id"] == chosen.id


def test_test_images_are_refused(correct: Correct) -> None:
    before, _, _ = correct()
    one, other = of_split(before, "test")[:2]
    with pytest.raises(CytopipeError, match=r"mine.csv:2: .* is a test image, and so are 1 more"):
        correct([f"{one.id},malignant,x", f"{other.id},leave out,x"])
    assert correct([f"{one.id},benign,confirmed"])[1]["corrections"]["confirmed"] == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("benign__P00_O,malignant,x", r"no image 'benign__P00_O'.*\n.*did you mean 'benign__P0"),
        ("zzz,malignant,x", r"no image 'zzz'.*\n.*manifest.csv"),
        (",malignant,x", "no image is named"),
        ("benign__P00_0,Malignant,x", r"'Malignant' is no class.*\n.*did you mean 'malignant'"),
        ("benign__P00_0,cyst,x", r"'cyst' is no class.*\n.*benign, malignant; or leave out"),
        ("benign__P00_0,,x", "no label is given"),
        ("benign__P00_0,malignant,x\nbenign/P00_0.png,leave out,x", "stands twice, first in .*mine.csv:2"),
        ("benign__P00_0,malignant,x,y,z", "another number of values"),
    ],
)
def test_mistakes_in_the_table_are_named_with_their_line(correct: Correct, row: str, message: str) -> None:
    with pytest.raises(CytopipeError, match=message) as caught:
        correct(row.split("\n"))
    assert "mine.csv:" in str(caught.value)


def test_an_excluded_class_is_neither_corrected_nor_a_label(correct: Correct, save_image: SaveImage) -> None:
    for number in range(3):
        save_image(Path(f"raw/cyst/P{number:02}_7.png"), 200 + number)
    with pytest.raises(CytopipeError, match="of the class 'cyst', which exclude_classes leaves out"):
        correct(["cyst__P00_7,benign,x"], exclude_classes=["cyst"])
    with pytest.raises(CytopipeError, match="'cyst' is a class that exclude_classes leaves out"):
        correct(["benign__P00_0,cyst,x"], exclude_classes=["cyst"])


def test_a_split_that_loses_a_class_is_refused(correct: Correct) -> None:
    before, _, _ = correct()
    rows = [f"{row.id},malignant,x" for row in of_split(before, "val")]
    with pytest.raises(CytopipeError, match=r"corrections: the class 'benign' .* has none in the val split"):
        correct(rows)


@pytest.mark.parametrize("table", [Path("mine.csv"), Path("/tmp/mine.csv"), CORRECTIONS / "../mine.csv"])
def test_a_table_that_the_engines_do_not_watch_is_refused(correct: Correct, table: Path) -> None:
    with pytest.raises(CytopipeError, match=r"corrections: workflow/corrections/mine.csv"):
        correct([], table=table)


def test_a_missing_table_and_a_missing_column_are_named(correct: Correct, tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match="no such CSV"):
        correct([], table=CORRECTIONS / "other.csv")
    (tmp_path / CORRECTIONS / "wrong.csv").write_text("id,label,reason\na,b,c\n")
    with pytest.raises(CytopipeError, match=r"no column 'image'"):
        correct([], table=CORRECTIONS / "wrong.csv")
