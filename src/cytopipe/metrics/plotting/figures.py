"""Helpers for figures, and the figures of training and confusion with their tables for `dvc plots`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")

from matplotlib import pyplot as plt  # after the choice of the backend
from matplotlib.axes import Axes

COLORS = {
    "train": "#8a94a6",
    "val": "#1f5fbf",
    "best": "#c8553d",
    "before": "#d98a00",
    "after": "#1f5fbf",
    "line": "#9a9a9a",
}
# Distinguishable with a colour vision deficiency (Okabe and Ito 2008); black is reserved for emphasis.
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "cytopipe",  # else the names within an SVG are drawn anew each time
}


@contextmanager
def figure(path: Path, columns: int, size: tuple[float, float]) -> Iterator[list[Axes]]:
    """Make axes side by side; the PNG is written when the context ends without an error.

    Args:
        path: PNG file to write.
        columns: number of axes.
        size: width and height of each, in inches.
    """
    with plt.rc_context(STYLE):
        drawn, axes = plt.subplots(1, columns, figsize=(size[0] * columns, size[1]), squeeze=False)
        try:
            yield list(axes[0])
            drawn.savefig(path, dpi=120, metadata={"Date" if path.suffix == ".svg" else "Software": None})
        finally:
            plt.close(drawn)


def note(axis: Axes, text: str) -> None:
    """Write on empty axes why they are empty."""
    axis.set(xticks=[], yticks=[])
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", color="#555555")


def curves(path: Path, history: Sequence[Mapping[str, float]], measure: str) -> None:
    """Draw loss and another measure by epoch, for training and validation, with the best epoch marked."""
    epochs = [epoch["epoch"] for epoch in history]
    with figure(path, 2, (4.6, 3.4)) as axes:
        if not history:
            for axis, name in zip(axes, ("loss", measure), strict=True):
                axis.set(title=name, xlabel="epoch")
                note(axis, "not trained")
            return
        best = next(epoch for epoch in history if epoch["best"])
        for axis, name in zip(axes, ("loss", measure), strict=True):
            for split in ("train", "val"):
                values = [epoch[f"{split}_{name}"] for epoch in history]
                axis.plot(epochs, values, color=COLORS[split], label=split, marker=".", markersize=4)
            axis.axvline(best["epoch"], color=COLORS["best"], linestyle=":", linewidth=1)
            axis.plot(best["epoch"], best[f"val_{name}"], "o", color=COLORS["best"])
            axis.annotate(
                f"{best[f'val_{name}']:.3f}",
                (best["epoch"], best[f"val_{name}"]),
                xytext=(-6, 8),
                textcoords="offset points",
                color=COLORS["best"],
                ha="right",
            )
            axis.set(title=name, xlabel="epoch")
        axes[0].legend(frameon=False)


def confusion_rows(truth: Sequence[int], predicted: Sequence[int], classes: Sequence[str]) -> list[dict[str, object]]:
    """Rows for DVC's confusion template: actual and predicted class of each test image."""
    return [{"actual": classes[t], "predicted": classes[p]} for t, p in zip(truth, predicted, strict=True)]


def confusion_figure(path: Path, truth: np.ndarray, predicted: np.ndarray, classes: Sequence[str]) -> None:
    """Draw the confusion matrix: counts, shaded by the share of the true class; truth and predicted are N indices."""
    from sklearn.metrics import confusion_matrix  # here, because most figures do not need it

    counts = confusion_matrix(truth, predicted, labels=range(len(classes)))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 2.2 + 0.6 * len(classes)
    with figure(path, 1, (side + 0.6, side)) as (axis,):
        axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(counts.shape):
            color = "white" if shares[row, column] > 0.6 else "black"
            axis.text(column, row, str(counts[row, column]), ha="center", va="center", color=color)
        ticks = range(len(classes))
        axis.set_xticks(ticks, classes, rotation=40, ha="right")
        axis.set_yticks(ticks, classes)
        axis.set(xlabel="predicted", ylabel="true", title="confusion, test")
        axis.spines[:].set_visible(False)
