"""Figures of a classifier's curves, each drawn from its table alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from cytopipe.evaluation.curves import Table
from cytopipe.evaluation.plots import COLORS, figure, note

SIZE = (4.4, 4.2)


def roc_figure(path: Path, rows: Table) -> None:
    """ROC curves of all questions."""
    with figure(path, 1, SIZE) as (axis,):
        axis.plot([0, 1], [0, 1], color=COLORS["line"], linestyle="--", linewidth=1)
        _by_class(axis, rows, "fpr", "tpr")
        axis.set(title="ROC, one against the rest", xlabel="false positive rate", ylabel="true positive rate")
        _legend(axis, rows, "lower right")


def pr_figure(path: Path, rows: Table) -> None:
    """Precision-recall curves of all questions."""
    with figure(path, 1, SIZE) as (axis,):
        _by_class(axis, rows, "recall", "precision")
        axis.set(title="precision and recall", xlabel="recall", ylabel="precision", ylim=(-0.02, 1.04))
        _legend(axis, rows, "lower left")


def _by_class(axis: Axes, rows: Table, x: str, y: str) -> None:
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    if not rows:
        note(axis, "not defined:\nthe test images are of one class")
    for label in dict.fromkeys(row["class"] for row in rows):
        points = [row for row in rows if row["class"] == label]
        axis.plot([row[x] for row in points], [row[y] for row in points], label=label, linewidth=1.6)


def _legend(axis: Axes, rows: Table, place: str) -> None:
    if rows:
        axis.legend(fontsize=8, loc=place, framealpha=0.85, edgecolor="none")


def reliability_figure(path: Path, rows: Table, errors: Sequence[float]) -> None:
    """Accuracy against confidence before and after the temperature; the more images, the larger the mark.

    Args:
        path: of the PNG.
        rows: of `reliability_rows`.
        errors: expected calibration error before and after.
    """
    most = max(row["images"] for row in rows)
    with figure(path, 1, SIZE) as (axis,):
        axis.plot([0, 1], [0, 1], color=COLORS["line"], linestyle="--", linewidth=1)
        for name, marker, error in zip(("before", "after"), ("s", "o"), errors, strict=True):
            mine = [row for row in rows if row["temperature"] == name]
            x, y = [row["confidence"] for row in mine], [row["accuracy"] for row in mine]
            for row in mine:
                axis.plot(
                    [row["confidence"]] * 2, [row["low"], row["high"]], color=COLORS[name], alpha=0.45, linewidth=1
                )
            axis.plot(x, y, color=COLORS[name], linewidth=1, alpha=0.7)
            sizes = [12 + 90 * row["images"] / most for row in mine]
            axis.scatter(x, y, s=sizes, color=COLORS[name], marker=marker, alpha=0.85, linewidths=0, zorder=3)
            axis.plot([], [], color=COLORS[name], marker=marker, label=f"{name}, ECE {error:.3f}")
        axis.set(title="reliability, by temperature", xlabel="confidence", ylabel="accuracy")
        axis.set(xlim=(-0.02, 1.04), ylim=(-0.02, 1.04))
        axis.legend(frameon=False, fontsize=8, loc="upper left")


def decision_figure(path: Path, rows: Table, nothing: str) -> None:
    """Net benefit by threshold probability.

    Args:
        path: of the PNG.
        rows: of `net_benefit_rows`.
        nothing: what to say where there is no row.
    """
    styles = {
        "model": (COLORS["val"], "-", 2.0),
        "all": (COLORS["best"], "--", 1.4),
        "none": (COLORS["train"], ":", 1.4),
    }
    names = {"model": "as the model says", "all": "on every image", "none": "on none"}
    with figure(path, 1, SIZE) as (axis,):
        axis.set(title="decision curve, abnormal or normal", xlabel="threshold probability", ylabel="net benefit")
        axis.set(xlim=(0, 1))
        if not rows:
            note(axis, nothing)
            return
        for name, (color, dashes, width) in styles.items():
            points = [row for row in rows if row["strategy"] == name]
            x, y = [row["threshold"] for row in points], [row["net_benefit"] for row in points]
            axis.plot(x, y, color=color, linestyle=dashes, linewidth=width, label=names[name])
        best = max(row["net_benefit"] for row in rows)
        axis.set(ylim=(-0.15 * best, 1.08 * best))  # acting on all falls without end
        axis.legend(frameon=False, fontsize=8, title="act", loc="lower left")


def coverage_figure(path: Path, rows: Table, wanted_error: float) -> None:
    """Accuracy of the most confident images by their share, and the point that was chosen on validation images."""
    with figure(path, 1, SIZE) as (axis,):
        curve = [row for row in rows if not row["chosen"]]
        chosen = [row for row in rows if row["chosen"]]
        few = ".-" if len(curve) < 20 else "-"
        axis.plot([row["coverage"] for row in curve], [row["accuracy"] for row in curve], few, color=COLORS["val"])
        axis.axhline(1 - wanted_error, color=COLORS["line"], linestyle="--", linewidth=1)
        axis.annotate(
            f"wanted: {1 - wanted_error:.0%}", (0, 1 - wanted_error), (2, 3), textcoords="offset points", fontsize=8
        )
        lowest = min(1 - wanted_error, *(row["accuracy"] for row in rows))
        axis.set(xlim=(-0.02, 1.02), ylim=(max(0, lowest - 0.12) - 0.01, 1.02))
        for row in chosen:
            axis.plot(row["coverage"], row["accuracy"], "o", color=COLORS["best"], markersize=8, zorder=3)
        said = [f"chosen on validation: {row['accuracy']:.1%} of {row['coverage']:.0%}" for row in chosen]
        axis.plot([], [], "o" if chosen else " ", color=COLORS["best"], label=(said or ["no image is sure enough"])[0])
        axis.set(title="accuracy by coverage", xlabel="share of images that is kept", ylabel="accuracy")
        axis.legend(frameon=False, fontsize=8, loc="lower left")
