"""Figures of an evaluation elsewhere, and the table of the drop."""

from __future__ import annotations

from pathlib import Path

from cytopipe.evaluation.segmenter.distribution import distribution_figure
from cytopipe.external.classifier import ClassifierElsewhere
from cytopipe.external.segmenter import SegmenterElsewhere
from cytopipe.metrics import curves
from cytopipe.metrics.plotting import curve_figures
from cytopipe.metrics.plotting.figures import COLORS, confusion_figure, figure
from cytopipe.metrics.registry import of_task
from cytopipe.results.external import External


def write_figures(folder: Path, found: ClassifierElsewhere | SegmenterElsewhere) -> None:
    """Draw the drop of every metric, and of a classifier confusion and reliability, of a segmenter the distributions.

    Args:
        folder: existing folder of the figures.
        found: the evaluation.
    """
    drop_figure(folder / "drop.png", found.details)
    if isinstance(found, SegmenterElsewhere):
        distribution_figure(folder / "distribution.png", found.table)
        return
    there = found.there
    confusion_figure(folder / "confusion.png", there.truth, there.probabilities.argmax(axis=1), found.classes)
    errors = [one["ece"].value or 0.0 for one in (found.details.calibration.before, found.details.calibration.after)]
    rows = curves.reliability_rows(there.truth, there.probabilities, there.calibrated)
    curve_figures.reliability_figure(folder / "reliability.png", rows, errors)


def drop_rows(details: External) -> list[dict[str, object]]:
    """The table of the figure: value and limits of every metric, at home and there, and of their difference."""
    return [
        {"metric": key, "side": side, "value": one.value, "low": one.low, "high": one.high}
        for key, drop in details.metrics.items()
        for side, one in (("home", drop.home), ("there", drop.there), ("drop", drop.drop))
    ]


def drop_figure(path: Path, details: External) -> None:
    """Draw every metric between 0 and 1 at home and there, with their intervals."""
    shown = [one for one in of_task(details.task) if one.scale == "share" and not one.hidden]
    with figure(path, 1, (6.0, 1.4 + 0.5 * len(shown))) as (axis,):
        for side, colour, shift in (("home", COLORS["train"], -0.12), ("there", COLORS["best"], 0.12)):
            label = "internal test" if side == "home" else details.dataset
            for place, metric in enumerate(shown):
                one = getattr(details.metrics[metric.key], side)
                if one.value is None:
                    continue
                axis.plot(one.value, place + shift, "o", color=colour, label=label)
                label = ""  # one entry of the legend
                if one.low is not None:
                    axis.plot([one.low, one.high], [place + shift] * 2, "-", color=colour, linewidth=2)
        axis.set(yticks=range(len(shown)), yticklabels=[one.name for one in shown], ylim=(len(shown) - 0.5, -0.5))
        axis.set(xlim=(0, 1), title=f"{details.model} at home and elsewhere")
        axis.legend(frameon=False, loc="lower left")
