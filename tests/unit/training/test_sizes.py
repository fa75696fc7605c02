from __future__ import annotations

from pathlib import Path

import numpy as np

from cytopipe.data.manifest import Row
from cytopipe.imaging.masks import encode_mask
from cytopipe.training.sizes import typical_sizes


def row(name: str, split: str, width: int, height: int, mask: bool = True) -> Row:
    path = f"masks/{name}.png" if mask else ""
    return Row(name, f"{name}.png", "a", 0, split, name, width, height, "0" * 64, path, "0" * 64 if mask else "")


def test_sizes_of_training_images_and_of_their_cells(tmp_path: Path) -> None:
    rows = [row("a", "train", 60, 50), row("b", "train", 40, 90), row("c", "train", 10, 20), row("d", "test", 500, 500)]
    cells = {"a": [(5, 7, 20, 30)], "b": [(0, 0, 11, 8), (20, 30, 40, 35)], "c": []}
    (tmp_path / "masks").mkdir()
    for one in rows[:3]:
        mask = np.zeros((one.height, one.width), np.uint8)
        for left, top, right, bottom in cells[one.id]:
            mask[top:bottom, left:right] = 1
            mask[top + 1 : top + 3, left + 1 : left + 3] = 2
        (tmp_path / one.mask_path).write_bytes(encode_mask(mask))
    assert typical_sizes(tmp_path, rows) == {"native_side": 60.0, "cell_side": 20.0}


def test_without_masks_or_images_there_are_no_such_sizes(tmp_path: Path) -> None:
    assert typical_sizes(tmp_path, [row("a", "train", 60, 50, mask=False)]) == {"native_side": 60.0}
    assert typical_sizes(tmp_path, [row("a", "test", 60, 50)]) == {}
