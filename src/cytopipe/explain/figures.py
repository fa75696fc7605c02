"""Tables and figures of the measures: shares of attribution by region, deletion and insertion curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from cytopipe.data.imaging.drawing import REGION_COLOURS
from cytopipe.explain.names import METHOD_COLOURS, TITLES
from cytopipe.metrics.plotting.figures import figure

PIXELS = "pixels"  # listed among the methods: each region's share of the image


def share_rows(shares: Mapping[str, Any], areas: Mapping[str, Any]) -> list[dict[str, object]]:
    """One row per class, method and region; the method "pixels" is the region's share of the image."""
    return [
        {
            "class": label,
            "method": method,
            "region": region,
            "share": one["mean"],
            "low": one["low"],
            "high": one["high"],
        }
        for label in shares
        for method, regions in {PIXELS: areas[label], **shares[label]}.items()
        for region, one in regions.items()
        if one["mean"] is not None
    ]


def curve_rows(curves: Mapping[str, Sequence[float]], fractions: Sequence[float]) -> list[dict[str, object]]:
    """One row per method and share of pixels."""
    return [
        {"method": method, "fraction": float(fraction), "probability": float(value)}
        for method, curve in curves.items()
        for fraction, value in zip(fractions, curve, strict=True)
    ]


def shares_figure(path: Path, shares: Mapping[str, Any], areas: Mapping[str, Any]) -> None:
    """Stacked bars, one row per class and one column per method, after one for pixels.

    A line shows the 95 % confidence interval of the nucleus.
    """
    if not shares:
        _nothing(path)
        return
    methods = list(next(iter(shares.values())))
    columns = {PIXELS: areas, **{method: {label: shares[label][method] for label in shares} for method in methods}}
    with figure(path, len(columns), (1.95, 1.5 + 0.32 * len(shares))) as axes:
        for axis, (method, values) in zip(axes, columns.items(), strict=True):
            _bars(axis, values)
            axis.set_title(TITLES.get(method, "share of pixels"), fontsize=9)
            axis.set(xlim=(0, 1), xticks=[0, 0.5, 1], xticklabels=["0", ".5", "1"])
            axis.tick_params(axis="x", labelsize=8)
            axis.invert_yaxis()
            if axis is not axes[0]:
                axis.set_yticks([])
        handles = [axes[0].patches[i * len(shares)] for i in range(len(REGION_COLOURS))]
        axes[0].figure.legend(
            handles, list(REGION_COLOURS), ncols=3, frameon=False, loc="outside lower center", fontsize=9
        )


def _bars(axis: Axes, values: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> None:
    labels = list(values)
    start = [0.0] * len(labels)
    for region, colour in REGION_COLOURS.items():
        lengths = [values[label][region]["mean"] or 0.0 for label in labels]
        axis.barh(labels, lengths, left=start, color=colour, height=0.72)
        start = [a + b for a, b in zip(start, lengths, strict=True)]
    for place, label in enumerate(labels):
        low, high = values[label]["nucleus"]["low"], values[label]["nucleus"]["high"]
        if low is not None and high is not None:
            axis.plot([low, high], [place, place], color="#1d2129", linewidth=1.2, solid_capstyle="butt")


def curves_figure(
    path: Path,
    curves: Mapping[str, Mapping[str, Sequence[float]]],
    fractions: Sequence[float],
    areas_below: Mapping[str, Mapping[str, Mapping[str, float | None]]],
) -> None:
    """Deletion and insertion curves side by side; the legends give the areas below them."""
    if not curves:
        _nothing(path)
        return
    with figure(path, 2, (5.6, 3.3)) as axes:
        better = {"deletion": "lower is better", "insertion": "higher is better"}
        for axis, (kind, methods) in zip(axes, curves.items(), strict=True):
            for method, curve in methods.items():
                style = "--" if method == "random" else "-"
                label = f"{TITLES[method]}  {areas_below[kind][method]['auc']:.2f}"
                axis.plot(fractions, curve, color=METHOD_COLOURS[method], linestyle=style, marker=".", label=label)
            axis.set(title=f"{kind}: {better[kind]}", xlabel="share of pixels", ylabel="probability of the class")
            axis.set(xlim=(0, 1), ylim=(0, 1.02))
            # Outside the axes, because the curves leave no corner free.
            axis.legend(
                frameon=False,
                fontsize=8,
                title="area below",
                title_fontsize=8,
                loc="center left",
                bbox_to_anchor=(1, 0.5),
            )


def _nothing(path: Path) -> None:
    with figure(path, 1, (3.2, 0.6)) as (axis,):
        axis.axis("off")
        axis.text(0.5, 0.5, "no explanations were asked for", ha="center", va="center", color="#5c6470")
