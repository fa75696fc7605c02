"""Pictures of a search: its history, the importance of parameters, and every trial across them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from cytopipe.core.params import Dimension, Search
from cytopipe.metrics.plotting.figures import COLORS, figure, note
from cytopipe.results.search import SearchResult

GREY = "#bbbbbb"
MOST_NAMES = 12  # choices that are named on an axis
Rows = Sequence[Mapping[str, Any]]


def history_figure(path: Path, rows: Rows, history: Rows, result: SearchResult) -> None:
    """Draw the objective of every trial in turn, the best so far, and the nested estimate."""
    with figure(path, 1, (6.4, 3.6)) as (axis,):
        stopped = [row for row in rows if row["state"] == "stopped" and row["value"] is not None]
        axis.plot(
            [row["trial"] for row in stopped], [row["value"] for row in stopped], "x", color=GREY, label="stopped"
        )
        trials = [row["trial"] for row in history]
        axis.plot(trials, [row["value"] for row in history], "o", color=COLORS["val"], markersize=4, label="completed")
        axis.step(trials, [row["best"] for row in history], where="post", color=COLORS["best"], label="best so far")
        if result.nested is not None and result.nested.value is not None:
            axis.axhline(result.nested.value, color=COLORS["train"], linestyle="--", label="nested estimate")
            if result.nested.low is not None and result.nested.high is not None:
                axis.axhspan(result.nested.low, result.nested.high, color=COLORS["train"], alpha=0.12)
        axis.set(title="trials", xlabel="trial", ylabel=result.objective.replace("_", " "))
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.legend(frameon=False)


def importance_figure(path: Path, importance: Mapping[str, float]) -> None:
    """Draw the share of the variation that each parameter explains."""
    with figure(path, 1, (6.4, 1.2 + 0.3 * max(len(importance), 3))) as (axis,):
        axis.set(title="importance", xlabel="share of the variation explained")
        if not importance:
            note(axis, "too few trials to tell")
            return
        names = list(importance)[::-1]
        axis.barh(names, [importance[name] for name in names], color=COLORS["val"])


def parallel_figure(path: Path, rows: Rows, search: Search, result: SearchResult) -> None:
    """Draw every completed trial as a line across its parameters: coloured by its objective, the best one thick."""
    drawn = [row for row in rows if row["state"] == "completed"]
    names = sorted(search.space)
    with figure(path, 1, (max(6.4, 1.3 * (len(names) + 1)), 4.2)) as (axis,):
        values = [row["value"] for row in drawn]
        low, high = min(values), max(values)
        colours = matplotlib.colormaps["viridis"]
        for row in sorted(drawn, key=lambda row: row["trial"] == result.best):
            share = (row["value"] - low) / (high - low) if high > low else 1.0
            heights = [_height(search.space[name], row[name]) if name in row else math.nan for name in names]
            thick = row["trial"] == result.best
            axis.plot(range(len(names) + 1), [*heights, share], color=colours(share), linewidth=2.6 if thick else 0.8)
        for place, name in enumerate(names):
            _label(axis, place, search.space[name])
        axis.text(len(names) + 0.04, 1.0, f"{high:.3g}", fontsize=7, va="center")
        axis.text(len(names) + 0.04, 0.0, f"{low:.3g}", fontsize=7, va="center")
        shown = [name.removeprefix("training.").removeprefix("arguments.") for name in names]
        axis.set_xticks(range(len(names) + 1), [*shown, result.objective], rotation=30, ha="right")
        axis.set(title="completed trials", yticks=[], xlim=(-0.2, len(names) + 0.5), ylim=(-0.05, 1.05))


def _height(dimension: Dimension, value: Any) -> float:
    """Place of a value on its axis, 0 to 1."""
    if dimension.choice is not None:
        texts = [_text(one) for one in dimension.choice]
        return texts.index(_text(value)) / max(len(texts) - 1, 1)
    low, high = (float(end) for end in dimension.examples)
    number = float(value)
    return math.log(number / low) / math.log(high / low) if dimension.log else (number - low) / (high - low)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _label(axis: Axes, place: int, dimension: Dimension) -> None:
    axis.axvline(place, color=GREY, linewidth=0.6)
    ends: list[tuple[float, str]]
    if dimension.choice is not None and len(dimension.choice) <= MOST_NAMES:
        ends = [(_height(dimension, _text(one)), _text(one)) for one in dimension.choice]
    elif dimension.choice is not None:
        ends = []
    else:
        ends = [(float(number), f"{end:g}") for number, end in enumerate(dimension.examples)]
    for height, text in ends:
        axis.text(place + 0.04, height, text.removeprefix("timm/"), fontsize=7, va="center")
