"""What a training leaves beside its model: the history as a table, plot tables for DVC, and the curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cytopipe.io.tables import write_table
from cytopipe.plotting.figures import curves
from cytopipe.results.history import History
from cytopipe.training.loop import Epoch


def write_history(folder: Path, history: Sequence[Epoch], measure: str) -> None:
    """Write history.csv, loss.csv and <measure>.csv (long form: epoch, split, value, best) and curves.png.

    Args:
        folder: existing.
        history: of `fit`; empty where nothing was trained.
        measure: plotted beside the loss, such as "accuracy".
    """
    History.of(history).write(folder / "history.csv")
    for name in ("loss", measure):
        rows = [
            {"epoch": epoch["epoch"], "split": split, name: epoch[f"{split}_{name}"], "best": epoch["best"]}
            for split in ("train", "val")
            for epoch in history
        ]
        write_table(folder / f"{name}.csv", rows, ["epoch", "split", name, "best"])
    curves(folder / "curves.png", history, measure)
