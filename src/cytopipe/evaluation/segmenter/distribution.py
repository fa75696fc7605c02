"""Metrics of a segmenter over all test images: means with intervals, and distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cytopipe.core.params.attributes import in_order
from cytopipe.data.manifest import Row
from cytopipe.metrics.clusters import LeftOut, ratio
from cytopipe.metrics.intervals import measured
from cytopipe.metrics.plotting.figures import SERIES, figure, note
from cytopipe.metrics.registry import of_task
from cytopipe.metrics.segmentation import DISTANCE, MEASURES, PARTS
from cytopipe.results.numbers import Estimate, Estimates
from cytopipe.results.segmenter import SegmenterDetails, SegmenterSubgroup

QUANTILES = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)
POINTS = 101  # number of quantiles in the table of a distribution
COLUMNS = ("measure", "part", "share", "value")
SHOWN = {"dice": "Dice", "iou": "IoU", DISTANCE: "95 % Hausdorff distance, px"}

Scores = Mapping[str, Any]  # of one test image


def segmenter_details(dataset: str, table: Sequence[Scores], rows: Sequence[Row] = ()) -> SegmenterDetails:
    """Summarise the metrics of all test images.

    Args:
        dataset: name of the dataset.
        table: one row per test image with a true mask: `group` and every metric. A distance is None if only one of the
            two masks is empty; its mean and quantiles are then over the other images.
        rows: of the manifest, whose attributes give the subgroups.

    Returns:
        The mean of every metric with its 95 % interval over groups, and its quantiles. They are None
        for a metric that is defined for no image.
    """
    values = {metric.key: values_of(table, metric.key) for metric in of_task("segmentation")}
    attributes = {row.id: row.attributes for row in rows}
    known = {name: one[np.isfinite(one)] for name, one in values.items()}
    return SegmenterDetails(
        dataset=dataset,
        images=len(table),
        groups=len({row["group"] for row in table}),
        metrics=_means(table),
        distribution={name: _quantiles(one) for name, one in known.items()},
        undefined={name: len(values[name]) - len(one) for name, one in known.items() if len(values[name]) > len(one)},
        subgroups=_subgroups(table, attributes),
    )


def _subgroups(table: Sequence[Scores], attributes: Mapping[str, Mapping[str, str]]) -> tuple[SegmenterSubgroup, ...]:
    found = []
    for name in next((list(attributes[row["id"]]) for row in table if row["id"] in attributes), []):
        for value in in_order(attributes[row["id"]][name] for row in table):
            part = [row for row in table if attributes[row["id"]][name] == value]
            groups = len({row["group"] for row in part})
            found.append(
                SegmenterSubgroup(attribute=name, value=value, images=len(part), groups=groups, metrics=_means(part))
            )
    return tuple(found)


def _means(table: Sequence[Scores]) -> Estimates:
    """The mean of every metric with its interval over groups."""
    groups = [row["group"] for row in table]
    return {
        metric.key: Estimate.of(measured(mean_left_out(values_of(table, metric.key), groups), metric.scale or "real"))
        for metric in of_task("segmentation")
    }


def values_of(table: Sequence[Scores], name: str) -> np.ndarray:
    """One metric of N test images, NaN where it is not defined."""
    return np.array([np.nan if row[name] is None else row[name] for row in table], dtype=float)


def mean_left_out(values: np.ndarray, groups: Sequence[str]) -> LeftOut:
    """The mean of N values without each group in turn; NaN where one is not defined, which does not count."""
    known = np.isfinite(values)
    return ratio(np.where(known, values, 0), known.astype(float), groups)


def _quantiles(known: np.ndarray) -> dict[str, float] | None:
    if not len(known):
        return None
    return {f"{share:g}": float(value) for share, value in zip(QUANTILES, np.quantile(known, QUANTILES), strict=True)}


def distribution_rows(table: Sequence[Scores]) -> list[dict[str, Any]]:
    """Points of the cumulative distribution of each metric: the share of images with at most this value."""
    shares = np.linspace(0, 1, POINTS)
    rows = []
    for measure in (*MEASURES, DISTANCE):
        for part in PARTS:
            values = values_of(table, f"{measure}_{part}")
            known = values[np.isfinite(values)]
            if not len(known):
                continue
            rows += [
                {"measure": measure, "part": part, "share": float(share), "value": float(value)}
                for share, value in zip(shares, np.quantile(known, shares), strict=True)
            ]
    return rows


def distribution_figure(path: Path, table: Sequence[Scores]) -> None:
    """Draw Dice, IoU and Hausdorff distance of every image, with box plots whose whiskers run from 5 to 95 %."""
    with figure(path, len(SHOWN), (3.9, 3.0)) as axes:
        for axis, (measure, label) in zip(axes, SHOWN.items(), strict=True):
            axis.set(title=label, yticks=range(len(PARTS)), yticklabels=PARTS if axis is axes[0] else [])
            axis.set(ylim=(len(PARTS) - 0.5, -0.5))
            if not table:
                note(axis, "no true masks to test on")
                continue
            for place, part in enumerate(PARTS):
                values = values_of(table, f"{measure}_{part}")
                known = values[np.isfinite(values)]
                # Jitter in steps of the golden ratio: evenly spread and deterministic.
                heights = place + 0.62 * ((np.arange(len(known)) * 0.618034) % 1 - 0.5)
                size, alpha = (6, 0.7) if len(known) < 100 else (3, 0.35)
                axis.plot(known, heights, ".", color=SERIES[place], markersize=size, alpha=alpha)
                if len(known):
                    box = {"color": "black", "linewidth": 1.2}
                    axis.boxplot(
                        known,
                        positions=[place],
                        orientation="horizontal",
                        widths=0.5,
                        whis=(5, 95),
                        showfliers=False,
                        manage_ticks=False,
                        boxprops=box,
                        whiskerprops=box,
                        capprops=box,
                        medianprops={"color": "black", "linewidth": 2.4},
                    )
                if missing := len(values) - len(known):
                    said, place_of_it = f"{missing} without a distance", ("axes fraction", "data")
                    axis.annotate(said, (1, place + 0.42), xycoords=place_of_it, ha="right", va="center", fontsize=8)
