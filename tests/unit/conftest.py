"""Results of runs, made by hand for the tests of the gate."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from cytopipe.metrics.classification import classification_metrics
from cytopipe.metrics.clusters import ratio
from cytopipe.metrics.intervals import measured
from cytopipe.results.numbers import Estimate
from cytopipe.results.predictions import Prediction, Predictions
from cytopipe.results.segmenter import SegmenterPredictions
from fixture_types import LeaveResults
from made_results import classifier_details, segmenter_details

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
        named = list(zip(IDS, groups, strict=True))
        if right is None:
            values = np.array(dice)
            table = [
                {"id": one, "group": group, "dice_cell": value}
                for (one, group), value in zip(named, values.tolist(), strict=True)
            ]
            SegmenterPredictions.of(table).write(folder / "predictions.csv")
            mean = Estimate.of(measured(ratio(values, np.ones(len(values)), groups)))
            segmenter_details({"dice_cell": mean}, len(IDS), GROUPS, "cells").write(folder / "details.json")
        else:
            hit = np.array([position < count for count in right for position in range(IN_GROUP)])
            first = np.where(hit == (truth == 0), 0.9, 0.1)
            scores = np.stack([first, 1 - first], axis=1)
            predictions = [
                Prediction(
                    id=one,
                    group=group,
                    label=CLASSES[label],
                    predicted=CLASSES[pair.argmax()],
                    probabilities=tuple(pair),
                )
                for (one, group), label, pair in zip(named, truth, scores, strict=True)
            ]
            Predictions.of(CLASSES, predictions).write(folder / "predictions.csv")
            metrics = Estimate.of_all(classification_metrics(truth, scores, groups))
            classifier_details(dataset="cells", metrics=metrics).write(folder / "details.json")
        write_manifest(root, truth, pixels)
        params = root / "params.yaml"
        segmenters = yaml.safe_load(params.read_text())["segmenters"] if params.exists() else {}
        content = {
            "datasets": {"cells": {"source": source or {"kind": "archive", "path": "cells.zip"}}},
            "segmenters": segmenters | {name: {"dataset": "cells"}},
        }
        params.write_text(yaml.safe_dump(content))
        return folder / "details.json"

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
