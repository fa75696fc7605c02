"""Write the table of the detectors of cells into docs/fields.md, from docs/fields.json.

python benchmarks/fields.py --write
python docs/tools/fields_table.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cytopipe.core.io.atomic import write_text
from cytopipe.core.io.tables import markdown
from cytopipe.evaluation.comparison.leaderboard import number_text, range_text
from cytopipe.results.numbers import Estimate
from result_tables import with_table

PAGE, MEASURED = Path("docs/fields.md"), Path("docs/fields.json")
TRAINED_ON = {"fields": "fields", "fields-segmenter": "single cells", "fields-patches": "patches"}
ROWS = {
    "boxes_f1": "F1 of boxes",
    "contours_f1": "F1 of outlines",
    "edge_boxes_f1": "F1 of boxes, cells at the edge counted",
    "edge_contours_f1": "F1 of outlines, cells at the edge counted",
    "count_relative_error": "error of the count",
    "aji": "AJI",
    "pq": "PQ",
    "isbi_dice": "Dice of cells over .7 (ISBI 2014)",
    "isbi_missed": "cells missed (ISBI 2014)",
}


def fields_table(measured: dict[str, Any]) -> str:
    """A row for each measure, a column for each detector."""
    detectors = {TRAINED_ON[name]: found for name, found in measured["detectors"].items()}
    rows = [(title, *(_shown(found[key]) for found in detectors.values())) for key, title in ROWS.items()]
    grids = [found["grid"] for found in detectors.values()]
    rows += [
        (
            "interior cells that change with the crop",
            *(f"{one['changed']} of {one['interior_cells']}" for one in grids),
        ),
        (
            "interior cells tiled, over 16 times alone",
            *(f"{one['tiled']} / {one['alone_times_tiles']}" for one in grids),
        ),
    ]
    fields, cropped = measured["fields"], measured["grid_fields"]
    seconds = next(found["seconds_4000_px"] for found in detectors.values() if found["seconds_4000_px"])
    about = f"{fields} test fields, {cropped} of them cropped and tiled"
    speed = f"4,000 x 4,000 px take the first detector {seconds:g} s on one core."
    return f"{markdown(('trained on', *detectors), rows)}\n{about}; {speed}"


def _shown(measure: dict[str, float]) -> str:
    estimate = Estimate.model_validate(measure)
    return f"{number_text(estimate.value)} ({range_text(estimate)})"


def written(page: str, root: Path) -> str:
    """The page with the table."""
    return with_table(page, "detectors", root / MEASURED, fields_table)


if __name__ == "__main__":
    write_text(PAGE, written(PAGE.read_text(encoding="utf-8"), Path()))
