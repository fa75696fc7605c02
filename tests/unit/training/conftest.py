from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from cytopipe.core.params import Training
from cytopipe.data.imaging.decode import encode_png
from cytopipe.data.imaging.masks import encode_mask
from cytopipe.data.manifest import Row, write_manifest
from fixture_types import Recipe

RECIPE = {"epochs": 4, "batch_size": 4, "learning_rate": 0.01, "precision": "fp32"}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def recipe() -> Recipe:
    return lambda **changes: Training.model_validate({**RECIPE, **changes})


def row(name: str, label: str, index: int, split: str, group: str, **paths: Any) -> Row:
    return Row(name, paths.pop("path", name), label, index, split, group, 32, 32, "0" * 64, **paths)


@pytest.fixture
def tensors(tmp_path: Path) -> Path:
    """Tensors of cells that differ only in brightness: class 0 is dark, class 1 bright. There is no test.npy."""
    folder, rng, rows = tmp_path / "tensors", np.random.default_rng(0), []
    folder.mkdir()
    for split, count in (("train", 12), ("val", 6)):
        classes = np.arange(count) % 2
        items = rng.integers(0, 60, (count, 32, 32, 5), dtype=np.uint8)
        items[..., :3] += (classes * 180).astype(np.uint8)[:, None, None, None]
        items[..., 3:] = 255
        np.save(folder / f"{split}.npy", items)
        rows += [row(f"{split}{i:02}", "ab"[c], int(c), split, f"{split}{i}") for i, c in enumerate(classes)]
    write_manifest(folder / "manifest.csv", sorted(rows, key=lambda one: one.id))
    return folder


@pytest.fixture
def organized(tmp_path: Path) -> tuple[Path, list[Row]]:
    """Images of dark discs with darker nuclei on white, 32 x 32 px, with their masks; 4 groups of 2 for training."""
    folder, rows = tmp_path / "organized", []
    folder.mkdir()
    for index, split in enumerate(["train"] * 8 + ["val"] * 2 + ["test"] * 2):
        mask = np.zeros((32, 32), np.uint8)
        cv2.circle(mask, (12 + index % 8, 16), 9, 1, -1)
        cv2.circle(mask, (12 + index % 8, 16), 4, 2, -1)
        image = np.array([240, 140, 40], np.uint8)[mask][..., None].repeat(3, axis=-1)
        (folder / f"{index:02}.png").write_bytes(encode_png(image))
        (folder / f"{index:02}_mask.png").write_bytes(encode_mask(mask))
        names = {"path": f"{index:02}.png", "mask_path": f"{index:02}_mask.png"}
        rows.append(row(f"{index:02}", "ab"[index // 2 % 2], index // 2 % 2, split, f"g{index // 2}", **names))
    return folder, rows
