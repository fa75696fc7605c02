from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cytopipe.core.params import Segmenter, Training, View
from cytopipe.data.imaging.decode import read_png
from cytopipe.data.imaging.masks import encode_mask, read_mask
from cytopipe.data.manifest import Row
from cytopipe.errors import CytopipeError
from cytopipe.models.transforms import InputTransform
from cytopipe.results.model_spec import TypicalSizes
from cytopipe.training.data import Batch
from cytopipe.training.segmentation import SegmentationTask, make_segmenter, typical_sizes, write_windows
from fixture_types import Recipe

Organized = tuple[Path, list[Row]]


def test_whole_images_become_one_window_each_with_their_mask(organized: Organized, tmp_path: Path) -> None:
    folder, rows = organized
    windows = write_windows(tmp_path / "w.npy", folder, rows[:3], View(view="whole", input_size=32))
    assert windows.shape == (3, 32, 32, 4) and windows.dtype == np.uint8
    assert np.array_equal(windows[1, ..., :3], read_png(folder / rows[1].path))
    assert np.array_equal(windows[1, ..., 3], read_mask(folder / rows[1].mask_path))


def test_tiles_cover_the_scaled_image_to_its_edges(organized: Organized, tmp_path: Path) -> None:
    folder, rows = organized
    windows = write_windows(
        tmp_path / "w.npy", folder, rows[:1], View(view="tiles", input_size=32, scale=2.0, overlap=0.5)
    )
    assert windows.shape == (9, 32, 32, 4)  # 64 x 64 px, windows at 0, 16 and 32
    mask = read_mask(folder / rows[0].mask_path).repeat(2, axis=0).repeat(2, axis=1)
    assert np.array_equal(windows[0, ..., 3], mask[:32, :32])
    assert np.array_equal(windows[-1, ..., 3], mask[32:, 32:])


def test_scaling_a_mask_creates_no_new_values(organized: Organized, tmp_path: Path) -> None:
    folder, rows = organized
    nucleus_alone = read_mask(folder / rows[0].mask_path) // 2 * 2
    (folder / rows[0].mask_path).write_bytes(encode_mask(nucleus_alone))
    windows = write_windows(tmp_path / "w.npy", folder, rows[:1], View(view="whole", input_size=48))
    assert set(np.unique(windows[..., 3])) == {0, 2}


def test_an_image_without_a_ground_truth_mask_is_named(organized: Organized, tmp_path: Path) -> None:
    folder, rows = organized
    rows[2:4] = [replace(row, mask_path="") for row in rows[2:4]]
    with pytest.raises(CytopipeError, match=r"2 images have no true mask.*'02'\n.*otsu"):
        write_windows(tmp_path / "w.npy", folder, rows, View(view="whole", input_size=32))


class FromRed(nn.Module):
    """A segmenter whose heads have extreme logits: a pixel is inside if red is 1."""

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        logits = (images[:, :1] * 2 - 1) * 100
        return {"cyt": logits, "nuc": logits}


def windows(*masks: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Windows whose red channel shows `seen`."""
    items = np.zeros((len(masks), *seen.shape, 4), np.uint8)
    items[..., 0], items[..., 3] = seen * 255, np.stack(masks)
    return items


def task(items: np.ndarray, batch_size: int = 1) -> SegmentationTask:
    return SegmentationTask(FromRed(), InputTransform("rgb", (0, 0, 0), (1, 1, 1)), items, batch_size)


HALF = np.repeat([[1], [0]], 4, axis=0) * np.ones((1, 8), int)  # the upper half of 8 x 8


def test_perfect_masks_cost_nothing_and_have_a_dice_of_one() -> None:
    assert task(windows(HALF * 2, seen=HALF)).validate() == {
        "loss": pytest.approx(0, abs=1e-6),
        "dice": 1,
        "dice_cell": 1,
        "dice_nucleus": 1,
    }


def test_dice_and_loss_of_half_a_cell_are_exact() -> None:
    quarter = HALF * np.array([1] * 4 + [0] * 4)
    items = windows(HALF * 2, quarter * 1, seen=HALF)  # the second: half of the cell found, its nucleus empty
    measures = task(items).validate()
    dice_cell, dice_nucleus = [1, 2 / 3], [1, 0]
    assert measures["dice_cell"] == pytest.approx(np.mean(dice_cell))
    assert measures["dice_nucleus"] == pytest.approx(np.mean(dice_nucleus))
    assert measures["dice"] == pytest.approx((5 / 6 + 1 / 2) / 2)
    # A logit of 100 costs 100 per wrong pixel: 16 of 64 and 32 of 64; Dice losses 1 - 2/3 and 1 - 0.
    assert measures["loss"] == pytest.approx((100 * 16 / 64 + 1 / 3 + 100 * 32 / 64 + 1) / 2)


def test_every_window_counts_once_whatever_the_batch() -> None:
    nothing = np.zeros((8, 8), int)
    items = windows(nothing, nothing, HALF * 2, seen=HALF)
    measures = task(items, batch_size=2).validate()
    assert measures["dice"] == pytest.approx(1 / 3)
    assert measures["loss"] == pytest.approx(2 * (100 * 2 * 32 / 64 + 1 + 1) / 3)


def test_an_empty_mask_that_stays_empty_has_a_dice_of_one() -> None:
    nothing = np.zeros((8, 8), int)
    assert task(windows(nothing, seen=nothing)).validate()["dice"] == 1


def test_a_step_measures_its_batch() -> None:
    items = windows(HALF * 2, seen=HALF)
    loss, measures = task(items).step(Batch(torch.from_numpy(items), torch.tensor([0])))
    assert float(loss) == pytest.approx(0, abs=1e-6) and measures == {"dice": 1}


def config(training: Training | None, **changes: Any) -> Segmenter:
    arguments = {"encoder": "test_convnext", "decoder_widths": [8, 8, 8]}
    given = {"dataset": "d", "architecture": "attention_unet", "arguments": arguments, "input_size": 32, **changes}
    return Segmenter.model_validate({**given, "training": training})


def test_initial_weights_depend_on_the_seed_alone(recipe: Recipe) -> None:
    def first(seed: int) -> torch.Tensor:
        model, _ = make_segmenter(config(recipe(seed=seed)), "0" * 64)
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    assert torch.equal(first(0), first(0))
    assert not torch.equal(first(0), first(1))


def sized(name: str, split: str, width: int, height: int, mask: bool = True) -> Row:
    path = f"masks/{name}.png" if mask else ""
    return Row(name, f"{name}.png", "a", 0, split, name, width, height, "0" * 64, path, "0" * 64 if mask else "")


def test_sizes_of_training_images_and_of_their_cells(tmp_path: Path) -> None:
    rows = [
        sized("a", "train", 60, 50),
        sized("b", "train", 40, 90),
        sized("c", "train", 10, 20),
        sized("d", "test", 500, 500),
    ]
    cells = {"a": [(5, 7, 20, 30)], "b": [(0, 0, 11, 8), (20, 30, 40, 35)], "c": []}
    (tmp_path / "masks").mkdir()
    for one in rows[:3]:
        mask = np.zeros((one.height, one.width), np.uint8)
        for left, top, right, bottom in cells[one.id]:
            mask[top:bottom, left:right] = 1
            mask[top + 1 : top + 3, left + 1 : left + 3] = 2
        (tmp_path / one.mask_path).write_bytes(encode_mask(mask))
    assert typical_sizes(tmp_path, rows) == TypicalSizes(image_side=60, cell_side=20)


def test_the_size_of_a_pixel_is_known_if_all_training_images_say_it(tmp_path: Path) -> None:
    rows = [sized(name, split, 60, 50, mask=False) for name, split in (("a", "train"), ("b", "train"), ("c", "test"))]
    known = [replace(row, pixel_size_um=0.25) for row in rows[:2]]
    assert typical_sizes(tmp_path, [*known, rows[2]]).pixel_size_um == 0.25
    assert typical_sizes(tmp_path, [known[0], rows[1]]).pixel_size_um is None


def test_without_masks_or_images_sizes_are_none(tmp_path: Path) -> None:
    assert typical_sizes(tmp_path, [sized("a", "train", 60, 50, mask=False)]) == TypicalSizes(image_side=60)
    assert typical_sizes(tmp_path, [sized("a", "test", 60, 50)]) == TypicalSizes()
