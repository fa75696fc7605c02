"""Write the tables of guarantees in docs/clinical.md, and their figure, from docs/guarantees.json.

python benchmarks/guarantees.py --write
python docs/tools/guarantee_tables.py
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from cytopipe.core.io.atomic import write_text
from cytopipe.core.io.tables import markdown
from cytopipe.errors import CytopipeError
from result_tables import between

PAGE, FIGURE = Path("docs/clinical.md"), Path("docs/images/guarantees.png")
STORED = Path("docs/guarantees.json")
GROUPS = (10, 20, 80)  # rows of the table; the file has more
WAYS = {
    "images": "as if images were exchangeable",
    "one": "one image of each group",
    "repeated": "one image, many times",
    "groups": "**over groups**",
    "aps": "over groups, APS",
}
PATIENTS = {
    "empirical": "95 % of the calibration patients",
    "cells": "exact bound, cells as if independent",
    "confident": "**exact bound**",
    "average": "**on average**",
}
COLOURS = {"images": ("image-wise", "tab:red", "--"), "groups": ("over groups", "tab:blue", "-")}
BARS = {"empirical": "tab:orange", "cells": "tab:red", "confident": "tab:blue"}

Row = Mapping[str, Any]


def sets(rows: Sequence[Row]) -> str:
    """One row for each case and number of groups: coverage, share of short cohorts, and size of the sets."""
    found = {(row["name"], row["groups"], row["method"]): row for row in rows}
    lines = []
    for name, groups in dict.fromkeys((row["name"], row["groups"]) for row in rows if row["groups"] in GROUPS):
        each = [found[name, groups, way] for way in WAYS]
        cells = [f"{one['coverage']:.3f} ({one['short']:.0%}; {one['size']:.1f})" for one in each]
        lines.append((name, str(groups), *cells))
    return markdown(("case", "groups", *WAYS.values()), lines)


def patients(rows: Sequence[Row]) -> str:
    """One row for each number of abnormal patients: cohorts that reach the sensitivity, and its mean."""
    found = {(row["abnormal"], row["method"]): row for row in rows}
    lines = []
    for count in dict.fromkeys(row["abnormal"] for row in rows):
        each = [found[count, way] for way in PATIENTS]
        lines.append((str(count), *(f"{one['reached']:.1%} ({one['sensitivity']:.3f})" for one in each)))
    return markdown(("abnormal patients", *PATIENTS.values()), lines)


def page(text: str, stored: Mapping[str, Any]) -> str:
    """The page with both tables.

    Raises:
        CytopipeError: if the page lacks a marker.
    """
    text = between(text, "guarantees", sets(stored["sets"]))
    return between(text, "sensitivity", patients(stored["sensitivity"]))


def draw(stored: Mapping[str, Any], path: Path) -> None:
    """Coverage and size of sets by the number of groups, and how often a sensitivity is reached."""
    drawn = Figure(figsize=(10, 3.8), layout="constrained")
    coverage, size, sensitivity = drawn.subplots(1, 3)
    names = list(dict.fromkeys(row["name"] for row in stored["sets"]))
    groups = sorted({row["groups"] for row in stored["sets"]})
    for name, marker in zip(names, "os^D", strict=True):
        for way, (label, colour, line) in COLOURS.items():
            rows = [row for row in stored["sets"] if (row["name"], row["method"]) == (name, way)]
            style = {"color": colour, "linestyle": line, "marker": marker, "markersize": 4, "linewidth": 1}
            coverage.plot(groups, [row["coverage"] for row in rows], label=f"{label}: {name}", **style)
            size.plot(groups, [row["size"] for row in rows], **style)
    promise = stored["promise"]
    coverage.axhline(promise["coverage"], color="black", linewidth=0.8)
    coverage.set(title="Sets that contain the class", ylabel="share, in new groups", xlabel="calibration groups")
    size.set(title="Classes in a set", ylabel="mean", xlabel="calibration groups")
    for axes in (coverage, size):
        axes.set_xscale("log")
        axes.set_xticks(groups, [str(count) for count in groups])
        axes.set_xticks([], minor=True)
    _bars(sensitivity, stored)
    sensitivity.axhline(promise["confidence"], color="black", linewidth=0.8)
    drawn.legend(*coverage.get_legend_handles_labels(), fontsize=7, ncols=4, loc="outside lower center")
    drawn.savefig(path, dpi=110, metadata={"Software": None})


def _bars(axes: Any, stored: Mapping[str, Any]) -> None:
    counts = list(dict.fromkeys(row["abnormal"] for row in stored["sensitivity"]))
    for place, (way, colour) in enumerate(BARS.items()):
        heights = [row["reached"] for row in stored["sensitivity"] if row["method"] == way]
        label = PATIENTS[way].strip("*")
        axes.bar([at + 0.27 * (place - 1) for at in range(len(counts))], heights, 0.25, color=colour, label=label)
    axes.set_xticks(range(len(counts)), [str(count) for count in counts])
    axes.set_ylim(0, 1.35)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 0.95])
    title = f"Cohorts at {stored['promise']['sensitivity']:g} sensitivity"
    axes.set(title=title, ylabel="share", xlabel="abnormal patients to calibrate with")
    axes.legend(fontsize=7, loc="upper left")


if __name__ == "__main__":
    try:
        found = json.loads(STORED.read_text(encoding="utf-8"))
        write_text(PAGE, page(PAGE.read_text(encoding="utf-8"), found))
        draw(found, FIGURE)
    except CytopipeError as error:
        sys.exit(f"error: {error}")
    print(PAGE, FIGURE)
