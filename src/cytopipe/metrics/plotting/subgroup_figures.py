"""A forest plot: a metric of each subgroup with its interval, beside that of all images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cytopipe.metrics.metric import Metric
from cytopipe.metrics.plotting.figures import COLORS, figure


class Line(NamedTuple):
    """One line of the plot: its name, number and limits, and whether it differs from the rest."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    differs: bool


def forest_figure(path: Path, lines: Sequence[Line], all_images: float | None, metric: Metric) -> None:
    """Draw one line for each subgroup; where it differs from the rest after the correction, in another colour.

    Args:
        path: PNG file to write.
        lines: of the subgroups, from the top.
        all_images: the metric over all images.
        metric: what is drawn.
    """
    with figure(path, 1, (6.0, 1.2 + 0.28 * len(lines))) as (axis,):
        if all_images is not None:
            axis.axvline(all_images, color=COLORS["line"], linewidth=1, linestyle="--")
        for place, one in enumerate(lines):
            color = COLORS["best"] if one.differs else COLORS["after"]
            if one.low is not None and one.high is not None:
                axis.plot([one.low, one.high], [place, place], color=color, linewidth=1.6)
            if one.value is not None:
                inner = "white" if one.low is None else color
                axis.plot(one.value, place, "o", color=color, markersize=5, markerfacecolor=inner)
        axis.set_yticks(range(len(lines)), [one.name for one in lines])
        axis.set(ylim=(len(lines) - 0.5, -0.5), xlabel=metric.title, title=f"{metric.title} by subgroup")
