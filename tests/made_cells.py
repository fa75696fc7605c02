"""A synthetic dataset of cells on slides for tests of the audit, which plant faults in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from cytopipe.audit.audit import AuditedDataset
from cytopipe.core.io.hashing import sha256_bytes
from cytopipe.core.params import SPLITS
from cytopipe.data.imaging.decode import encode_png
from cytopipe.data.manifest import Row, write_manifest
from cytopipe.data.tensors import ArrayWriter, make_item

SIDE = 48
CLASSES = ("lying", "standing")


@dataclass(frozen=True)
class Cell:
    """An image before it is written.

    Attributes:
        row: its manifest row.
        image: H x W x 3 uint8 RGB.
        mask: H x W palette mask.
        jpeg: JPEG quality of the publisher's file; None for a PNG.
    """

    row: Row
    image: np.ndarray
    mask: np.ndarray
    jpeg: int | None = None


def draw_cell(label: int, rng: np.random.Generator, light: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw a cell whose class is the direction of its stripes and nothing else; returns image and mask."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    centre = (int(rng.integers(20, 28)), int(rng.integers(20, 28)))
    cv2.circle(mask, centre, 10, 1, -1)
    cv2.circle(mask, centre, 3, 2, -1)
    stripes = np.where((np.arange(SIDE) + rng.integers(4)) // 2 % 2, 25, -25)
    stripes = stripes[None, :, None] if label else stripes[:, None, None]
    image = np.where((mask > 0)[..., None], np.array([150, 110, 170]) + stripes, np.array([205, 190, 210]))
    image = np.where((mask == 2)[..., None], np.array([80, 50, 120]), image) * light
    grain = cv2.GaussianBlur(rng.normal(0, 22, (SIDE, SIDE, 3)), (0, 0), 1.2)
    return np.clip(cv2.GaussianBlur(image, (0, 0), 0.8) + grain, 0, 255).astype(np.uint8), mask


def make_cells(groups: int = 36, per_group: int = 8, seed: int = 0) -> list[Cell]:
    """Cells of both classes on slides of different brightness: half of them train, a quarter each val and test."""
    rng = np.random.default_rng(seed)
    found = []
    for group in range(groups):
        split = ("train", "train", "val", "test")[group % 4]
        light = float(rng.uniform(0.9, 1.1))
        for number in range(per_group):
            label = number % 2
            image, mask = draw_cell(label, rng, light)
            id_ = f"s{group:02d}_{number}"
            path = f"{split}/{CLASSES[label]}/{id_}.png"
            row = Row(id_, path, CLASSES[label], label, split, f"s{group:02d}", 0, 0, "")
            found.append(Cell(row, image, mask))
    return found


def write_dataset(found: Sequence[Cell], folder: Path) -> AuditedDataset:
    """Write the outputs of organize and build_tensors and the publisher's files, and load them for an audit."""
    organized, tensors, raw = (folder / name for name in ("organized", "tensors", "raw"))
    for made in (organized, tensors, raw):
        made.mkdir(parents=True)
    rows = []
    for cell in sorted(found, key=lambda one: one.row.id):
        row, image = cell.row, cell.image
        source = f"{row.id}.{'png' if cell.jpeg is None else 'jpg'}"
        if cell.jpeg is None:
            Image.fromarray(image).save(raw / source)
        else:
            Image.fromarray(image).save(raw / source, quality=cell.jpeg)
            image = np.asarray(Image.open(raw / source))
        png = encode_png(image)
        target = organized / row.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(png)
        height, width = image.shape[:2]
        rows.append(
            (replace(row, width=width, height=height, sha256=sha256_bytes(png), source=source), image, cell.mask)
        )
    for split in SPLITS:
        members = [one for one in rows if one[0].split == split]
        with ArrayWriter(tensors / f"{split}.npy", len(members), (SIDE, SIDE, 5)) as writer:
            for _, image, mask in members:
                writer.append(make_item(image, mask, SIDE))
    for target in (organized, tensors):
        write_manifest(target / "manifest.csv", [row for row, _, _ in rows])
    return AuditedDataset.load("cells", organized, tensors, raw)
