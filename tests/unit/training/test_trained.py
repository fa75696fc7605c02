from __future__ import annotations

import csv
from pathlib import Path

from cytopipe.training.trained import write_history

HISTORY = [
    {"epoch": 1.0, "learning_rate": 0.1, "train_loss": 1.5, "train_dice": 0.25, "val_loss": 1.25, "val_dice": 0.5},
    {"epoch": 2.0, "learning_rate": 0.1, "train_loss": 0.5, "train_dice": 0.75, "val_loss": 1.75, "val_dice": 0.25},
]
MARKED = [{**epoch, "best": best} for epoch, best in zip(HISTORY, (1.0, 0.0), strict=True)]
FILES = ["curves.png", "dice.csv", "history.csv", "loss.csv"]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_history_is_a_wide_table_and_the_curves_are_long_ones(tmp_path: Path) -> None:
    write_history(tmp_path, MARKED, "dice")
    assert sorted(file.name for file in tmp_path.iterdir()) == FILES
    assert [list(row) for row in table(tmp_path / "history.csv")] == [list(epoch) for epoch in MARKED]
    assert table(tmp_path / "dice.csv") == [
        {"epoch": "1", "split": "train", "dice": "0.25", "best": "1"},
        {"epoch": "2", "split": "train", "dice": "0.75", "best": "0"},
        {"epoch": "1", "split": "val", "dice": "0.5", "best": "1"},
        {"epoch": "2", "split": "val", "dice": "0.25", "best": "0"},
    ]
    assert [row["loss"] for row in table(tmp_path / "loss.csv")] == ["1.5", "0.5", "1.25", "1.75"]


def test_the_same_history_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_history(tmp_path / name, MARKED, "dice")
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_an_empty_history_gives_the_same_files_without_rows(tmp_path: Path) -> None:
    write_history(tmp_path, [], "dice")
    assert sorted(file.name for file in tmp_path.iterdir()) == FILES
    assert table(tmp_path / "history.csv") == table(tmp_path / "loss.csv") == []
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
