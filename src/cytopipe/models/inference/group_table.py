"""The second table of predictions: a row for each group of images, such as a patient or slide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cytopipe.core.io.atomic import write_bytes
from cytopipe.core.io.tables import plain
from cytopipe.metrics.patients import Groups
from cytopipe.models.inference.prediction_table import ATTENTION, Row, to_csv
from cytopipe.models.patients import Evidence, answer
from cytopipe.results.patients import SEPARATOR, PatientRule

COLUMNS = ("group", "score", "decision", "images", "unreadable", "telling", "rule", "model")


def group_rows(rule: PatientRule, rows: Sequence[Row], groups: Mapping[str, str], model: str) -> list[Row]:
    """Answer for each group of predicted images.

    Args:
        rule: a rule that is not None.
        rows: rows of the table of predictions.
        groups: the group of each image, by its path.
        model: identity of the model.

    Returns:
        Rows sorted by group: `score` is the calibrated probability of abnormal, `decision` is empty where the rule
        withholds it, `telling` are the images that speak most for abnormal. A group without a readable image has
        neither.
    """
    read = [row for row in rows if not row["error"]]
    if not all(row["abnormal"] for row in read):
        read = []
    answers: dict[str, Row] = {}
    if read:
        members = Groups.of([groups[row["image"]] for row in read])
        scores = np.array([float(row["abnormal"]) for row in read])
        attention = None
        if rule.rule == "abmil":
            attention = np.array([[float(row[name]) for name in ATTENTION] for row in read])
        found = answer(rule, members, Evidence(scores, attention))
        for place, name in enumerate(members.names):
            answers[name] = {
                "score": str(plain(float(found.scores[place]))),
                "decision": found.decisions[place],
                "images": str(members.sizes[place]),
                "telling": SEPARATOR.join(read[index]["image"] for index in found.telling[place]),
            }
    failed: dict[str, int] = {}
    for row in rows:
        failed[groups[row["image"]]] = failed.get(groups[row["image"]], 0) + (row["error"] != "")
    empty = {"score": "", "decision": "", "images": "0", "telling": ""}
    return [
        {
            "group": name,
            **answers.get(name, empty),
            "unreadable": str(failed[name]),
            "rule": rule.rule or "",
            "model": model,
        }
        for name in sorted(failed)
    ]


def write_groups(out: Path, rows: Sequence[Row]) -> Path:
    """Write the rows beside the table of images: `preds.csv` has `preds.by.csv`; returns the path."""
    path = out.with_name(f"{out.stem}.by.csv")
    write_bytes(path, to_csv(rows, COLUMNS, header=True).encode("utf-8", "surrogateescape"))
    return path
