from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot as plt

from cytopipe.metrics.plotting import figures

CLASSES = ("a", "b", "c")
TRUTH = np.array([0, 0, 1, 1, 1, 0])
SCORES = np.array(
    [[0.9, 0.1, 0.0], [0.4, 0.6, 0.0], [0.3, 0.7, 0.0], [0.2, 0.8, 0.0], [0.5, 0.5, 0.0], [0.6, 0.3, 0.1]]
)
HISTORY = [
    {"epoch": i, "train_loss": 1 / i, "val_loss": 2 / i, "train_dice": i / 9, "val_dice": i / 10, "best": float(i == 3)}
    for i in (1, 2, 3, 4)
]


def draw(folder: Path) -> None:
    folder.mkdir()
    figures.curves(folder / "curves.png", HISTORY, "dice")
    figures.curves(folder / "untrained.png", [], "dice")
    figures.confusion_figure(folder / "confusion.png", TRUTH, SCORES.argmax(axis=1), CLASSES)


def test_the_same_call_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        draw(tmp_path / name)
    files = sorted(tmp_path.glob("one/*.png"))
    assert len(files) == 3
    for file in files:
        content = file.read_bytes()
        assert content.startswith(b"\x89PNG") and len(content) > 1000
        assert content == (tmp_path / "two" / file.name).read_bytes()
        assert b"Software" not in content and b"tIME" not in content
    assert len({file.read_bytes() for file in files}) == 3


def test_figures_are_closed_even_when_drawing_fails(tmp_path: Path) -> None:
    draw(tmp_path / "done")
    with pytest.raises(KeyError):
        figures.curves(tmp_path / "x.png", [{"epoch": 1, "best": 1.0}], "dice")
    assert plt.get_fignums() == []
    assert not (tmp_path / "x.png").exists()


def test_the_confusion_table_has_one_row_per_image() -> None:
    assert figures.confusion_rows([0, 2, 1], [0, 1, 1], CLASSES) == [
        {"actual": "a", "predicted": "a"},
        {"actual": "c", "predicted": "b"},
        {"actual": "b", "predicted": "b"},
    ]
