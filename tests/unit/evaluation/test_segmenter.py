"""The test of a segmenter: exact overlaps of discs that are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from cytopipe.data.manifest import Row
from cytopipe.evaluation.distribution import names
from cytopipe.evaluation.segmenter import evaluate_segmenter
from cytopipe.imaging.decode import encode_png
from cytopipe.imaging.masks import encode_mask, read_mask
from cytopipe.params import View
from cytopipe.results.model_spec import ModelSpec

Organized = tuple[Path, list[Row]]
CPU = torch.device("cpu")


@pytest.fixture
def organized(tmp_path: Path) -> Organized:
    """Dark discs with darker nuclei on white, 32 x 32 px, with true masks: one trains, two of one group test."""
    rows = []
    for index, split in enumerate(("train", "test", "test")):
        mask = np.zeros((32, 32), np.uint8)
        cv2.circle(mask, (12 + index, 16), 9, 1, -1)
        cv2.circle(mask, (12 + index, 16), 4, 2, -1)
        image = np.array([240, 140, 40], np.uint8)[mask][..., None].repeat(3, axis=-1)
        path, mask_path = f"{index:02}.png", f"{index:02}_mask.png"
        (tmp_path / path).write_bytes(encode_png(image))
        (tmp_path / mask_path).write_bytes(encode_mask(mask))
        rows.append(Row(f"{index:02}", path, "a", 0, split, split, 32, 32, "0" * 64, mask_path=mask_path))
    return tmp_path, rows


def spec() -> ModelSpec:
    return ModelSpec(
        task="segmentation",
        architecture="otsu",
        arguments={},
        classes=("cyt", "nuc"),
        channels="rgb",
        input_size=32,
        mean=(0, 0, 0),
        std=(1, 1, 1),
        training_data_sha256="0" * 64,
        view=View(view="whole", input_size=32),
    )


class Threshold(nn.Module):
    """The discs' own greys: 240 outside, 140 in the cytoplasm, 40 in the nucleus."""

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        grey = images.mean(dim=1, keepdim=True) * 255
        return {"cyt": 200 - grey, "nuc": 90 - grey}


def test_the_test_measures_test_images_in_their_own_size(organized: Organized) -> None:
    folder, rows = organized
    metrics, table = evaluate_segmenter(Threshold(), spec(), folder, rows, CPU)
    assert [one["id"] for one in table] == ["01", "02"]
    assert metrics["images"] == 2 and metrics["groups"] == 1
    assert {name: one for name, one in metrics.items() if isinstance(one, float)} == {
        name: 0 if name.startswith("hd95") else 1 for name in names()
    }

    class Blind(Threshold):
        def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
            return {head: logits - 1000 for head, logits in super().forward(images).items()}

    metrics, _ = evaluate_segmenter(Blind(), spec(), folder, rows, CPU)
    assert metrics["dice_cell"] == metrics["iou_nucleus"] == 0
    assert metrics["hd95_cell"] is None and metrics["undefined"]["hd95_cell"] == 2
    background = np.mean([(read_mask(folder / row.mask_path) == 0).mean() for row in rows if row.split == "test"])
    assert metrics["pixel_accuracy_cell"] == pytest.approx(background)


def test_without_true_masks_the_measures_are_none(organized: Organized) -> None:
    folder, rows = organized
    unmasked = [replace(row, mask_path="") for row in rows]
    metrics, table = evaluate_segmenter(Threshold(), spec(), folder, unmasked, CPU)
    assert table == [] and metrics["images"] == metrics["groups"] == 0
    assert metrics["dice_cell"] is None
