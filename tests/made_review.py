"""A synthetic project for the tests of the review: an organized dataset, predictions, and the cells of a field."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import yaml

from cytopipe import paths
from cytopipe.core.io.atomic import write_bytes, write_text
from cytopipe.core.io.hashing import sha256_bytes
from cytopipe.core.io.tables import write_table
from cytopipe.data.imaging.decode import encode_png
from cytopipe.data.imaging.masks import encode_mask
from cytopipe.data.manifest import Row, write_manifest
from cytopipe.results.dataset import DatasetSummary
from cytopipe.results.predictions import Predictions
from cytopipe.screening.polygons import ring, well_known_text
from made_models import CELLS, draw_field
from made_results import dataset_summary

PRESET = Path(__file__).parent.parent / "workflow/presets/tiny.yaml"
CLASSES = ("benign", "odd <b>", "malignant")
COUNTS = {"train": 4, "val": 4, "test": 2}  # images of a class
HEIGHT, WIDTH = 40, 48
BESIDE_TEST = "cells_0_4"  # a validation image of a group that is tested


def make_review(folder: Path) -> Path:
    """Write the project into an empty folder; returns the folder."""
    values = yaml.safe_load(PRESET.read_text())
    network = next(iter(values["classifiers"].values()))
    values["datasets"] = {"cells": next(iter(values["datasets"].values()))}
    values["segmenters"] = {"otsu": {"dataset": "cells", "architecture": "otsu", "pretrained": "workflow/weights/none"}}
    values["datasets"]["cells"] |= {"segmenter": "otsu", "adapter": "folder", "options": {}}
    values["classifiers"] = {name: {**network, "dataset": "cells"} for name in ("first", "second")}
    values |= {"screenings": {}, "evaluations": {}, "embeddings": {}, "searches": {}}
    write_text(folder / paths.PARAMS, yaml.safe_dump(values, sort_keys=False))
    rows = _organize(folder)
    for number, name in enumerate(("first", "second")):
        _validation(folder, name, [row for row in rows if row.split == "val"], number)
    _screen(folder)
    return folder


def _organize(folder: Path) -> list[Row]:
    organized = paths.Organized("cells")
    rng, rows = np.random.default_rng(5), []
    for index, label in enumerate(CLASSES):
        for number, split in enumerate(split for split, count in COUNTS.items() for _ in range(count)):
            identity = f"cells_{index}_{number}"
            cell = np.full((HEIGHT, WIDTH, 3), 220, np.uint8)
            centre = (24 + int(rng.integers(-3, 4)), 20 + int(rng.integers(-2, 3)))
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            for radius, colour, value in ((14, (170, 140, 180), 1), (5 + index, (70, 40, 100), 2)):
                cv2.circle(cell, centre, radius, colour, cv2.FILLED)
                cv2.circle(mask, centre, radius, value, cv2.FILLED)
            image = encode_png(cell)
            write_bytes(folder / organized.folder / split / label / f"{identity}.png", image)
            write_bytes(folder / organized.masks / f"{identity}.png", encode_mask(mask))
            group = f"g_{index}_9" if identity == BESIDE_TEST else f"g_{index}_{number}"
            write_bytes(folder / paths.Raw("cells").files / f"raw/{identity}.png", image)
            at = f"{split}/{label}/{identity}.png"
            about = (label, index, split, group, WIDTH, HEIGHT, sha256_bytes(image), f"masks/{identity}.png")
            rows.append(Row(identity, at, *about, source=f"raw/{identity}.png"))
    rows.sort(key=lambda row: row.id)
    write_manifest(folder / organized.manifest, rows)
    summary: DatasetSummary = dataset_summary("cells", CLASSES, COUNTS, HEIGHT)
    summary.write(folder / organized.summary)
    return rows


def _validation(folder: Path, name: str, rows: list[Row], seed: int) -> None:
    """Predictions that are the less certain the higher the number of the image."""
    rng = np.random.default_rng(seed)
    shares = np.stack([rng.dirichlet(np.ones(3) + 30 * (np.arange(3) == row.class_index)) for row in rows])
    shares[-1] = (0.34, 0.33, 0.33)  # knows nothing of the last
    path = paths.validation(name)
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    Predictions.of_images(CLASSES, [(row.id, row.group, row.label) for row in rows], shares).write(folder / path)


def _screen(folder: Path) -> None:
    """A field with six cells, as `cytopipe screen` leaves it."""
    write_bytes(folder / "fields/slide.png", encode_png(draw_field()))
    rows = []
    for number, (x, y) in enumerate(CELLS, start=1):
        sure = 1 - number / 10

        def outline(radius: int, x: int = x, y: int = y) -> str:
            disc = cv2.circle(np.zeros((180, 250), np.uint8), (x, y), radius, 1, cv2.FILLED)
            (contour,), _ = cv2.findContours(disc, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            return well_known_text(ring(contour[:, 0]))

        place = {"cell": number, "left": x - 22, "top": y - 22, "right": x + 23, "bottom": y + 23, "area": 1520}
        shares = {
            f"p_{label}": value for label, value in zip(CLASSES, (sure, (1 - sure) / 2, (1 - sure) / 2), strict=True)
        }
        about = {"cut": "false", "score": 0.9, "class": "benign", "confidence": sure, "uncertain": "false"}
        unlike = {"unlike_training": "false", "unlike_score": number / 10}
        rows.append({**place, **about, **shares, **unlike, "contour": outline(22), "nucleus": outline(8)})
    (folder / "screened").mkdir()
    write_table(folder / "screened/slide.csv", rows)
