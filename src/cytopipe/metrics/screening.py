"""Metrics of a screening over all its fields: how well cells are detected, counted and classified, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cytopipe.metrics.clusters import each_left_out
from cytopipe.metrics.detection import EDGE, KINDS, LEAST_IOU, ScreenedField
from cytopipe.metrics.intervals import Measured as Number
from cytopipe.metrics.intervals import Scale, measured, too_few

NAMING = "boxes"  # kind of match for counts and classes, as the classifier sees the crop of a box
POINTS = 100  # of a precision-recall curve
PR_COLUMNS = ("overlap", "threshold", "recall", "precision", "found")
COUNT_COLUMNS = ("field", "true", "found")
Measured = dict[str, Any]
Measures = dict[str, float | None]
Fields = Sequence[ScreenedField]


def detection_metrics(fields: Fields, classes: Sequence[str]) -> dict[str, Any]:
    """Compute every number of a screening.

    Args:
        fields: at least one field.
        classes: class names of the annotated cells.

    Returns:
        For each kind of overlap: `precision`, `recall`, `f1` and `mean_iou` of the matches, and `all_counted_precision`
        and `all_counted_f1`, in which unmatched cells at the edge count as false. `count`: errors of the number of
        cells in a field. `naming`: `accuracy` of the class among the matches, and precision, recall and F1 of cells
        that are detected with the right class. `per_class`: the shares of a class's cells that are detected, and
        detected with the right class. Each has a 95 % interval over groups of fields. A number that is not defined
        is None, with its reason in `undefined`.
    """
    groups = [field.group for field in fields]
    content: dict[str, Any] = {kind: _with_intervals(_finding, _tally(fields, kind), groups) for kind in KINDS}
    content["count"] = _with_intervals(_counting, _tally(fields, NAMING), groups)
    content["naming"] = _with_intervals(_naming, _tally(fields, NAMING), groups)
    of_class = {label: _tally_of_class(fields, label) for label in classes}
    content["per_class"] = {
        label: {"cells": int(one[:, 0].sum()), **_with_intervals(_recalling, one, groups)}
        for label, one in of_class.items()
    }
    tally = _tally(fields, NAMING).sum(axis=0)
    content |= {
        "fields": len(fields),
        "groups": len({field.group for field in fields}),
        "cells": int(tally[0]),
        "found": int(tally[1]),
        "at_edge": int(tally[1] - tally[2]),
        "undefined": _undefined_metrics(content, fields),
        "settings": {
            "match": f"one to one, intersection over union of at least {LEAST_IOU:g}, as many as possible",
            "edge": f"found cells without a match that come nearer to the field's edge than {EDGE:g} of its shorter "
            "side count neither as right nor as wrong, as cells that the edge cuts are not annotated; all_counted "
            "takes them for wrong",
            "naming": f"count, naming and per_class are of matches by {NAMING}",
            "least_iou": LEAST_IOU,
            "edge_share": EDGE,
        },
    }
    return content


def _tally(fields: Fields, kind: str) -> np.ndarray:
    """One row per field: numbers of true, found, counted and matched cells, sum of their overlaps, right classes."""
    rows = []
    for field in fields:
        matches = field.matches(kind)
        overlaps = sum(float(field.overlaps[kind][pair]) for pair in matches.items())
        named = sum(field.found[found].label == field.true[true].label for found, true in matches.items())
        rows.append((len(field.true), len(field.found), len(field.counts(kind)), len(matches), overlaps, named))
    return np.array(rows, float)


def _tally_of_class(fields: Fields, label: str) -> np.ndarray:
    """One row per field: numbers of true cells of the class, found ones, and found ones with the right class."""
    rows = []
    for field in fields:
        pairs = [(found, true) for found, true in field.matches(NAMING).items() if field.true[true].label == label]
        named = sum(field.found[found].label == label for found, _ in pairs)
        rows.append((sum(cell.label == label for cell in field.true), len(pairs), named))
    return np.array(rows, float)


def _finding(tally: np.ndarray) -> Measures:
    true, found, counted, matched, overlaps, _ = tally.sum(axis=0)
    return {
        "precision": _share(matched, counted),
        "recall": _share(matched, true),
        "f1": _share(2 * matched, counted + true),
        "mean_iou": _share(overlaps, matched),
        "all_counted_precision": _share(matched, found),
        "all_counted_f1": _share(2 * matched, found + true),
    }


def _counting(tally: np.ndarray) -> Measures:
    true, counted = tally[:, 0], tally[:, 2]
    errors = counted - true
    return {
        "mean_absolute_error": float(np.abs(errors).mean()),
        "mean_error": float(errors.mean()),
        "relative_error": _share(np.abs(errors).sum(), true.sum()),
    }


def _naming(tally: np.ndarray) -> Measures:
    true, _, counted, matched, _, named = tally.sum(axis=0)
    return {
        "accuracy": _share(named, matched),
        "precision": _share(named, counted),
        "recall": _share(named, true),
        "f1": _share(2 * named, counted + true),
    }


def _recalling(tally: np.ndarray) -> Measures:
    cells, found, named = tally.sum(axis=0)
    return {"found": _share(found, cells), "named": _share(named, cells)}


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


_SCALES: dict[str, Scale] = {"mean_absolute_error": "positive", "mean_error": "real", "relative_error": "positive"}


def _with_intervals(
    measure: Callable[[np.ndarray], Measures], tally: np.ndarray, groups: Sequence[str]
) -> dict[str, Number]:
    left = each_left_out(lambda rows: measure(tally[rows]), groups)
    return {name: measured(one, _SCALES.get(name, "share")) for name, one in left.items()}


def _undefined_metrics(metrics: Mapping[str, Any], fields: Fields) -> dict[str, str]:
    """The reason why each undefined number is not defined, by its name."""
    found = {}
    for kind in KINDS:
        if metrics[kind]["recall"].value is None:
            found[f"{kind}.recall"] = "the fields hold no annotated cell"
        if metrics[kind]["precision"].value is None:
            found[f"{kind}.precision"] = "no found cell counts"
        if metrics[kind]["f1"].value is None:
            found[f"{kind}.f1"] = "there is no annotated cell, and no found one counts"
        if metrics[kind]["mean_iou"].value is None:
            found[f"{kind}.mean_iou"] = "no found cell matches an annotated one"
    if metrics["naming"]["accuracy"].value is None:
        found["naming.accuracy"] = "no found cell matches an annotated one"
    if metrics["count"]["relative_error"].value is None:
        found["count.relative_error"] = "the fields hold no annotated cell"
    if absent := [label for label, values in metrics["per_class"].items() if not values["cells"]]:
        found["per_class"] = f"no annotated cell of {', '.join(absent)}"
    if why := too_few(len({field.group for field in fields})):
        found["interval"] = why
    return found


def precision_recall_rows(fields: Fields) -> list[Measured]:
    """Precision and recall by falling score threshold, matched anew at each threshold; see PR_COLUMNS."""
    scores = np.unique([one.score for field in fields for one in field.found])
    places = np.linspace(0, len(scores) - 1, min(POINTS, len(scores))).round().astype(int)
    cells = sum(len(field.true) for field in fields)
    rows = []
    for kind in KINDS:
        for threshold in scores[places][::-1].tolist():
            counted = sum(len(field.counts(kind, threshold)) for field in fields)
            matched = sum(len(field.matches(kind, threshold)) for field in fields)
            if counted and cells:
                values = (kind, threshold, matched / cells, matched / counted, counted)
                rows.append(dict(zip(PR_COLUMNS, values, strict=True)))
    return rows


def count_rows(fields: Fields) -> list[Measured]:
    """Numbers of annotated and of counted found cells in every field; see COUNT_COLUMNS."""
    values = [(field.id, len(field.true), len(field.counts(NAMING))) for field in fields]
    return [dict(zip(COUNT_COLUMNS, one, strict=True)) for one in values]


def field_scores(fields: Fields, classes: Sequence[str]) -> list[Measured]:
    """One row per field: its annotated, found and matched cells, F1, and the cells of each class."""
    rows = []
    for field in fields:
        counted = field.counts(NAMING)
        tally = _tally([field], NAMING)
        rows.append(
            {
                "field": field.id,
                "group": field.group,
                "true": len(field.true),
                "found": len(counted),
                "at_edge": len(field.found) - len(counted),
                "matched": int(tally[0, 3]),
                "matched_contours": len(field.matches("contours")),
                "named": int(tally[0, 5]),
                "f1": _finding(tally)["f1"],
                "true_of": {label: sum(cell.label == label for cell in field.true) for label in classes},
                "found_of": {label: sum(field.found[place].label == label for place in counted) for label in classes},
            }
        )
    return rows


def found_cells(fields: Fields) -> list[Measured]:
    """One row per found cell: its box, its match by boxes with both overlaps, its class and the true class.

    `counts` is False for a cell at the edge of its field that has no match.
    """
    rows = []
    for field in fields:
        matches, counted = field.matches(NAMING), set(field.counts(NAMING))
        for place, one in enumerate(field.found):
            true = matches.get(place)
            overlaps = {
                f"iou_{kind}": None if true is None else float(field.overlaps[kind][place, true]) for kind in KINDS
            }
            rows.append(
                {
                    "field": field.id,
                    **dict(zip(("left", "top", "right", "bottom"), one.box, strict=True)),
                    "score": one.score,
                    "counts": place in counted,
                    "match": "" if true is None else field.true[true].id,
                    **overlaps,
                    "label": one.label,
                    "true_class": "" if true is None else field.true[true].label,
                    "confidence": one.confidence,
                    "abnormal": one.abnormal,
                }
            )
    return rows


def worst_median_best(fields: Fields) -> dict[str, ScreenedField]:
    """The fields with the worst, the median and the best F1; fewer entries if there are fewer than three fields."""
    ranked = sorted(fields, key=lambda field: (_finding(_tally([field], NAMING))["f1"] or 0.0, field.id))
    names = {"worst": 0, "best": len(ranked) - 1, "median": (len(ranked) - 1) // 2}
    taken: dict[int, str] = {}
    for name, place in names.items():
        taken.setdefault(place, name)
    return {name: ranked[place] for place, name in sorted(taken.items())}
