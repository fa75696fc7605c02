"""The figure of costs: accuracy against processor time, and against parameters, with the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cytopipe.evaluation.cost.table import Cost, front
from cytopipe.metrics.plotting.figures import COLORS, figure, note

SIZE = (5.6, 4.4)
AXES = {"cpu_minutes": "minutes of one core, training", "parameters": "parameters"}


def cost_figure(path: Path, networks: Sequence[Cost]) -> None:
    """Draw networks of one dataset; those on the front are joined by a line and named in bold.

    Args:
        path: file to write, PNG or SVG by its suffix.
        networks: of one dataset.
    """
    with figure(path, 2, SIZE) as axes:
        for axis, (by, title) in zip(axes, AXES.items(), strict=True):
            axis.set(xlabel=title, ylabel="accuracy on test images", title=networks[0].dataset)
            known = [one for one in networks if getattr(one, by) is not None]
            if not known:
                note(axis, "not recorded in this project:\ntrain the classifiers here")
                continue
            best = front(known, by)
            for one in known:
                color = COLORS["best" if one.name in best else "line"]
                limits = None
                if one.low is not None and one.high is not None:
                    limits = [[one.accuracy - one.low], [one.high - one.accuracy]]
                axis.errorbar(getattr(one, by), one.accuracy, limits, fmt="o", color=color, elinewidth=0.8)
                weight = "bold" if one.name in best else "normal"
                place = (getattr(one, by), one.accuracy)
                axis.annotate(one.name, place, (4, 4), textcoords="offset points", fontsize=7, fontweight=weight)
            line = sorted((getattr(one, by), one.accuracy) for one in known if one.name in best)
            axis.step(*zip(*line, strict=True), where="post", color=COLORS["best"], linewidth=1)
            axis.set_xscale("log")
