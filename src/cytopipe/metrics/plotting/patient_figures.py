"""Figure of the answers for groups: their ROC curve, and their scores by true class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.metrics import roc_curve

from cytopipe.metrics.plotting.figures import COLORS, figure, note

SIZE = (4.4, 4.2)
WIDEST = 8.0  # log odds that are drawn; those beyond lie on the edge


def patient_figure(path: Path, odds: np.ndarray, abnormal: np.ndarray, threshold: float | None, wanted: float) -> None:
    """Draw the ROC curve with the point of the decisions, and a dot for each group.

    Args:
        path: PNG file to write.
        odds: G calibrated log odds of groups with a label.
        abnormal: G booleans, the truth.
        threshold: log odds from which a group is called abnormal; None: withheld, or one for each fold.
        wanted: specificity that it was chosen for.
    """
    with figure(path, 2, SIZE) as (left, right):
        left.set(title=f"ROC, {len(odds)} groups", xlabel="false positive rate", ylabel="true positive rate")
        right.set(title="score by truth", ylabel="log odds of abnormal")
        if abnormal.all() or not abnormal.any():
            for axis in (left, right):
                note(axis, "not defined:\nthe test groups are of one class")
            return
        fpr, tpr, _ = roc_curve(abnormal, odds)
        left.plot([0, 1], [0, 1], color=COLORS["line"], linestyle="--", linewidth=1)
        left.plot(fpr, tpr, color=COLORS["val"])
        left.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
        shown = np.clip(odds, -WIDEST, WIDEST)
        for place, kind in enumerate(("normal", "abnormal")):
            mine = np.sort(shown[abnormal == bool(place)])
            spread = (np.arange(len(mine)) * 0.618034) % 1 - 0.5  # the golden ratio keeps neighbours apart
            color = COLORS["best" if place else "val"]
            right.plot(place + 0.5 * spread, mine, "o", color=color, alpha=0.6, markersize=4)
            right.annotate(f"{len(mine)} {kind}", (place, -WIDEST * 1.12), ha="center", fontsize=8)
        right.set(xlim=(-0.6, 1.6), ylim=(-WIDEST * 1.2, WIDEST * 1.1), xticks=[0, 1])
        right.set_xticklabels(["normal", "abnormal"])
        if threshold is not None:
            called = odds >= threshold
            point = (called[~abnormal].mean(), called[abnormal].mean())
            left.plot(*point, "o", color=COLORS["best"], markersize=8, label=f"chosen for {wanted:.0%} specificity")
            left.legend(frameon=False, fontsize=8, loc="lower right")
            right.axhline(np.clip(threshold, -WIDEST, WIDEST), color=COLORS["line"], linestyle="--", linewidth=1)
