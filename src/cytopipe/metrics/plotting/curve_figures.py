"""Figures of a classifier's curves, each drawn from its table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cycler import cycler
from matplotlib.axes import Axes

from cytopipe.metrics.curves import ABNORMAL, Table
from cytopipe.metrics.plotting.figures import COLORS, SERIES, figure, note

SIZE = (4.4, 4.2)


def roc_figure(path: Path, rows: Table) -> None:
    """Draw the ROC curves of all problems, see `roc_rows`."""
    with figure(path, 1, SIZE) as (axis,):
        axis.plot([0, 1], [0, 1], color=COLORS["line"], linestyle="--", linewidth=1)
        _by_class(axis, rows, "fpr", "tpr")
        axis.set(title="ROC, one against the rest", xlabel="false positive rate", ylabel="true positive rate")


def pr_figure(path: Path, rows: Table) -> None:
    """Draw the precision-recall curves of all problems, see `pr_rows`."""
    with figure(path, 1, SIZE) as (axis,):
        _by_class(axis, rows, "recall", "precision")
        axis.set(title="precision and recall", xlabel="recall", ylabel="precision")


def _by_class(axis: Axes, rows: Table, x: str, y: str) -> None:
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
    axis.set_prop_cycle(cycler(linestyle=["-", "--", ":"]) * cycler(color=SERIES))
    if not rows:
        note(axis, "not defined:\nthe test images are of one class")
    for label in dict.fromkeys(row["class"] for row in rows):
        points = [row for row in rows if row["class"] == label]
        style = {"color": "black", "linestyle": "--", "linewidth": 2} if label == ABNORMAL else {"linewidth": 1.6}
        axis.plot([row[x] for row in points], [row[y] for row in points], label=label, **style)
    if rows:
        axis.legend(fontsize=8, framealpha=0.85, edgecolor="none")


def reliability_figure(path: Path, rows: Table, errors: Sequence[float]) -> None:
    """Draw accuracy against confidence before and after calibration; larger marks stand for more images.

    Args:
        path: PNG file to write.
        rows: from `reliability_rows`.
        errors: expected calibration error before and after.
    """
    most = max(row["images"] for row in rows)
    with figure(path, 2, (3.9, 4.0)) as axes:
        titles = {"before": "uncalibrated", "after": "calibrated"}
        for axis, (name, title), error in zip(axes, titles.items(), errors, strict=True):
            mine = [row for row in rows if row["temperature"] == name]
            x, y = [row["confidence"] for row in mine], [row["accuracy"] for row in mine]
            axis.plot([0, 1], [0, 1], color=COLORS["line"], linestyle="--", linewidth=1)
            axis.vlines(x, [row["low"] for row in mine], [row["high"] for row in mine], COLORS[name], alpha=0.5)
            sizes = [14 + 130 * row["images"] / most for row in mine]
            axis.scatter(x, y, s=sizes, color=COLORS[name], linewidths=0, zorder=3)
            axis.set(title=f"{title}, ECE {error:.3f}", xlabel="confidence")
            axis.set(xlim=(-0.02, 1.04), ylim=(-0.02, 1.04))
        axes[0].set(ylabel="accuracy, with 95 % interval")


def decision_figure(path: Path, rows: Table, nothing: str) -> None:
    """Draw the decision curve: net benefit by threshold probability.

    Args:
        path: PNG file to write.
        rows: from `net_benefit_rows`.
        nothing: text to show if there are no rows.
    """
    styles = {"model": (COLORS["val"], "-", 2), "all": (COLORS["best"], "--", 1.5), "none": (COLORS["train"], ":", 1.5)}
    names = {"model": "act as the model says", "all": "act on every image", "none": "act on none"}
    with figure(path, 1, SIZE) as (axis,):
        axis.set(title="decision curve, abnormal or normal", xlabel="threshold probability", ylabel="net benefit")
        if not rows:
            note(axis, nothing)
            return
        for name, (color, dashes, width) in styles.items():
            points = [row for row in rows if row["strategy"] == name]
            x, y = [row["threshold"] for row in points], [row["net_benefit"] for row in points]
            axis.plot(x, y, color=color, linestyle=dashes, linewidth=width, label=names[name])
        best = max(0.01, *(row["net_benefit"] for row in rows))  # 0 if abnormal images are rare and never found
        axis.set(xlim=(0, 1), ylim=(-0.15 * best, 1.08 * best))  # the curve of acting on all images falls without limit
        axis.legend(frameon=False, fontsize=8, loc="upper right")


def coverage_figure(path: Path, rows: Table, wanted_error: float) -> None:
    """Draw accuracy by coverage and the point chosen on validation images.

    Args:
        path: PNG file to write.
        rows: from `thinned_coverage_rows`.
        wanted_error: the error rate for which the point was chosen.
    """
    wanted = 1 - wanted_error
    curve = [row for row in rows if not row["chosen"]]
    with figure(path, 1, SIZE) as (axis,):
        mark = "." if len(curve) < 20 else ""
        x, y = [row["coverage"] for row in curve], [row["accuracy"] for row in curve]
        axis.plot(x, y, color=COLORS["val"], marker=mark)
        axis.axhline(wanted, color=COLORS["line"], linestyle="--", linewidth=1)
        axis.annotate(f"wanted: {wanted:.0%}", (1, wanted), (0, 3), textcoords="offset points", fontsize=8, ha="right")
        said = "chosen on validation images: none is sure enough"
        for row in rows:
            if row["chosen"]:
                axis.plot(row["coverage"], row["accuracy"], "o", color=COLORS["best"], markersize=8, zorder=3)
                said = f"chosen on validation images: {row['coverage']:.0%} kept, {row['accuracy']:.1%} right"
        white = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
        axis.text(0.02, 0.02, said, transform=axis.transAxes, color=COLORS["best"], fontsize=9, bbox=white)
        # The accuracy of very few images is noisy, so the axis range ignores coverages below 0.1.
        lowest = min(wanted, *(row["accuracy"] for row in rows if row["coverage"] >= 0.1))
        axis.set(xlim=(-0.02, 1.02), ylim=(max(0, lowest - 0.12) - 0.01, 1.02))
        axis.set(title="accuracy by coverage", xlabel="share of images that is kept", ylabel="accuracy")
