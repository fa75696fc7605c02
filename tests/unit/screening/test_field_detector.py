"""A small segmenter of fields, trained on fields of discs that overlap, and what it finds wherever a field is cut."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from cytopipe import paths
from cytopipe.adapters.base import AnnotatedCell, AnnotatedField
from cytopipe.core.params import Segmenter
from cytopipe.data.imaging.boxes import overlap
from cytopipe.data.imaging.fields import Field
from cytopipe.data.manifest import Row
from cytopipe.errors import CytopipeError
from cytopipe.models.folder import save_model
from cytopipe.models.inference.segment import Segmentation
from cytopipe.screening.cells import DetectedCell
from cytopipe.screening.detectors import Part, Region, find_cells
from cytopipe.screening.field_detector import FieldDetector, _at_edge, _left_over
from cytopipe.screening.finders import finder_of
from cytopipe.screening.score import load_detector
from cytopipe.screening.segmenter_detector import SegmenterDetector
from cytopipe.slides.job import trained_mpp
from cytopipe.training.train_segmenter import SegmenterJob, train_segmenter
from cytopipe.training.workspace import Workspace

CPU = torch.device("cpu")
HEIGHT, WIDTH = 96, 128
CONFIG = {
    "dataset": "d",
    "architecture": "field_unet",
    "arguments": {"widths": [8, 12, 16, 16], "rays": 16, "ray": 12.0},
    "view": "fields",
    "input_size": 64,
    "normalisation": {"mean": [0.5] * 3, "std": [0.25] * 3},
    "training": {
        "epochs": 14,
        "batch_size": 8,
        "steps_per_epoch": 12,
        "learning_rate": 0.006,
        "precision": "fp32",
        "augment": {"flips": True},
    },
}


def circle(x: float, y: float, radius: float) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)


def draw(seed: int) -> tuple[np.ndarray, list[tuple[int, int, int]]]:
    """A field of six to nine discs (x, y, radius), some of which overlap, on a bright background."""
    rng = np.random.default_rng(seed)
    placed: list[tuple[int, int, int]] = []
    dark = np.zeros((HEIGHT, WIDTH), np.float32)
    for _ in range(60):
        radius = int(rng.integers(9, 13))
        x, y = int(rng.integers(radius + 3, WIDTH - radius - 3)), int(rng.integers(radius + 3, HEIGHT - radius - 3))
        if len(placed) < 7 and all(np.hypot(x - a, y - b) > 0.75 * (radius + c) for a, b, c in placed):
            placed.append((x, y, radius))
            disc = np.zeros_like(dark)
            cv2.circle(disc, (x, y), radius, 70, cv2.FILLED)
            dark += disc
    for x, y, _ in placed:
        cv2.circle(dark, (x, y), 4, 200, cv2.FILLED)
    grey = np.clip(235 - dark + rng.normal(0, 3, dark.shape), 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2), placed


def row(name: str, split: str) -> Row:
    return Row(id=name, path=f"{name}.png", label="a", class_index=0, split=split, group=name, width=WIDTH,
               height=HEIGHT, sha256="0" * 64, mask_path="", mask_sha256="", source="",
               pixel_size_um=0.5)  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model folder models/segmenters/discs of a segmenter of discs, in a folder of its own."""
    root = tmp_path_factory.mktemp("fields")
    fields, rows = [], []
    for seed in range(14):
        image, discs = draw(seed)
        Image.fromarray(image).save(root / f"f{seed}.png")
        cells = tuple(
            AnnotatedCell(f"{seed}_{n}", "a", circle(*disc), circle(*disc[:2], 4)) for n, disc in enumerate(discs)
        )
        fields.append(AnnotatedField(f"f{seed}", root / f"f{seed}.png", f"f{seed}", cells))
        rows.append(row(f"f{seed}", "train" if seed < 12 else "val"))
    for name in ("scratch", "checkpoints"):
        (root / name).mkdir()
    place = Workspace(CPU, 0, root / "scratch", root / "checkpoints", lambda part, epoch: None)
    config = Segmenter.model_validate(CONFIG)
    trained = train_segmenter(SegmenterJob(config, root, "0" * 64, place, fields), rows)
    assert {"dice", "loss"} <= {key.removeprefix("val_") for key in trained.main.history[-1]}
    folder = root / "models/segmenters/discs"
    save_model(folder, trained.main.model, trained.main.spec)
    return folder


@pytest.fixture(scope="module")
def detector(model: Path) -> FieldDetector:
    return FieldDetector(model, CPU)


def find(detector: FieldDetector, image: np.ndarray, **more: int) -> list[DetectedCell]:
    return list(find_cells(Field.of(image), detector, **more))


def matched(found: list[DetectedCell], discs: list[tuple[int, int, int]], shift: int = 0) -> int:
    boxes = [(x - r + shift, y - r + shift, x + r + 1 + shift, y + r + 1 + shift) for x, y, r in discs]
    return sum(any(overlap(box, cell.box) > 0.5 for cell in found) for box in boxes)


def test_cells_that_overlap_are_found_with_whole_outlines(detector: FieldDetector) -> None:
    hits = cells = count = 0
    for seed in range(100, 106):
        image, discs = draw(seed)
        found = find(detector, image)
        hits, cells, count = hits + matched(found, discs), cells + len(discs), count + len(found)
        assert all(cell.nucleus is not None for cell in found if not cell.cut)
    assert 2 * hits / (cells + count) >= 0.9


def test_a_shift_of_the_field_changes_no_cell(detector: FieldDetector) -> None:
    for seed in (100, 101):
        image, _ = draw(seed)
        padded = np.pad(image, ((64, 64), (64, 64), (0, 0)), mode="edge")
        alone = find(detector, padded)
        for pixels in (1, 7, 16, 32):
            given = np.pad(padded, ((pixels, 0), (pixels, 0), (0, 0)), mode="edge")
            found = find(detector, given)
            again = [
                any(overlap((c.box[0] + pixels, c.box[1] + pixels, c.box[2] + pixels, c.box[3] + pixels), o.box) > 0.5
                    for o in found)
                for c in alone
            ]  # fmt: skip
            assert len(found) == len(alone) and all(again)


def test_tiles_change_nothing_and_a_field_beside_itself_adds_no_cell(detector: FieldDetector) -> None:
    image, discs = draw(102)
    tiled = np.tile(image, (5, 4, 1))
    whole = find(detector, tiled)
    assert {cell.box for cell in find(detector, tiled, tile=64)} == {cell.box for cell in whole}
    assert len(whole) == 20 * len(find(detector, image)) >= 18 * len(discs)


def test_a_point_has_the_same_values_in_every_region(detector: FieldDetector) -> None:
    look = detector.prepare(Field.of(np.tile(draw(103)[0], (10, 8, 1))))
    one, other = look(Region(0, 0, 480, 512)), look(Region(300, 350, 480, 512))
    assert np.array_equal(one.probability[300:, 350:], other.probability)


def test_what_is_left_of_the_cell_mask_at_the_edge_is_a_cell() -> None:
    mask = np.zeros((60, 80), bool)
    mask[0:12, 20:34] = mask[20:40, 70:80] = mask[30:45, 20:40] = True
    mask[40:60, 0:2] = True  # too narrow
    taken = Part((slice(20, 40), slice(74, 80)), np.ones((20, 6), bool), 1.0, True)
    left = _left_over(mask, [taken, None], least=40, longest=50)
    assert left.max() == 2  # above, and inside; not what is beside the cell that was found
    edge = _at_edge(left, Region(0, 0, 60, 80), 60, 80)
    assert edge.max() == 1 and (edge > 0).sum() == 12 * 14 and edge[5, 25] == 1
    assert not _at_edge(left, Region(10, 10, 70, 90), 200, 200).any()  # the same in the middle of a field


def test_a_field_at_another_scale(detector: FieldDetector) -> None:
    image, discs = draw(105)
    larger = cv2.resize(image, None, fx=3, fy=3, interpolation=cv2.INTER_LINEAR)
    found = find(FieldDetector(detector.folder, CPU, 1 / 3), larger)
    middles = [(3 * x, 3 * y, 3 * r) for x, y, r in discs]
    assert matched(found, middles) >= len(discs) - 1 and len(found) <= len(discs) + 1


def test_the_folder_decides_which_detector(
    model: Path, otsu_tiles: Path, patch_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert finder_of(model) is FieldDetector and finder_of(otsu_tiles) is SegmenterDetector
    monkeypatch.chdir(model.parents[2])
    built = load_detector(paths.Trained("segmenters", "discs"), CPU, {"middle": 0.4, "lone": False})
    assert isinstance(built, FieldDetector)
    with pytest.raises(CytopipeError, match="overlap"):
        load_detector(paths.Trained("segmenters", "discs"), CPU, {"overlap": 0.5})
    for other in (otsu_tiles, patch_model):
        with pytest.raises(CytopipeError, match="not trained on fields"):
            FieldDetector(other, CPU)


def test_slides_are_read_at_the_scale_of_its_training_fields(model: Path) -> None:
    assert trained_mpp(model) == 0.5


def test_it_makes_masks_like_any_segmenter(model: Path) -> None:
    image, discs = draw(103)
    (mask,) = Segmentation.load(model, CPU).masks([image])
    assert mask.shape == image.shape[:2]
    x, y, _ = discs[0]
    assert mask[y, x] == 2 and (mask > 0).mean() == pytest.approx(0.2, abs=0.12)
