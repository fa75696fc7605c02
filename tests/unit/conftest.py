"""Results of runs, made by hand for the tests of the gate."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from cytopipe.metrics.classification import classification_metrics
from fixture_types import LeaveResults

GROUPS, IN_GROUP = 10, 4
CLASSES = ("normal", "abnormal")
IDS = [f"i{number:02}" for number in range(GROUPS * IN_GROUP)]


@pytest.fixture
def leave_results() -> LeaveResults:
    def leave(
        root: Path,
        right: Sequence[int] | None = None,
        dice: Sequence[float] | None = None,
        name: str = "masks",
        pixels: str = "a",
        source: Mapping[str, Any] | None = None,
    ) -> Path:
        kind = "segmenters" if right is None else "classifiers"
        folder = root / "results" / kind / name
        folder.mkdir(parents=True, exist_ok=True)
        groups = [f"g{number // IN_GROUP}" for number in range(len(IDS))]
        truth = np.arange(len(IDS)) % 2
        rows: list[dict[str, object]]
        if right is None:
            values = np.array(dice)
            rows = [
                {"id": one, "group": group, "dice_cell": value}
                for one, group, value in zip(IDS, groups, values, strict=True)
            ]
            metrics = {"dice_cell": float(values.mean()), "images": len(IDS), "groups": GROUPS}
        else:
            hit = np.array([position < count for count in right for position in range(IN_GROUP)])
            first = np.where(hit == (truth == 0), 0.9, 0.1)
            rows = [
                {"id": one, "group": group, "label": CLASSES[label], "p_normal": p, "p_abnormal": round(1 - p, 6)}
                for one, group, label, p in zip(IDS, groups, truth, first.tolist(), strict=True)
            ]
            metrics = classification_metrics(truth, np.stack([first, 1 - first], axis=1), groups)
            (folder / "summary.json").write_text(json.dumps({"dataset": "cells"}))
        write_csv(folder / "predictions.csv", rows)
        (folder / "metrics.json").write_text(json.dumps(metrics))
        write_manifest(root, truth, pixels)
        params = root / "params.yaml"
        segmenters = yaml.safe_load(params.read_text())["segmenters"] if params.exists() else {}
        content = {
            "datasets": {"cells": {"source": source or {"kind": "archive", "path": "cells.zip"}}},
            "segmenters": segmenters | {name: {"dataset": "cells"}},
        }
        params.write_text(yaml.safe_dump(content))
        return folder / "metrics.json"

    return leave


def write_manifest(root: Path, truth: np.ndarray, pixels: str) -> None:
    folder = root / "data/organized/cells"
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = [
        {"id": one, "label": CLASSES[label], "width": 9, "height": 8, "sha256": pixels * 64, "mask_sha256": "f" * 64}
        for one, label in zip(IDS, truth, strict=True)
    ]
    write_csv(folder / "manifest.csv", rows)


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
