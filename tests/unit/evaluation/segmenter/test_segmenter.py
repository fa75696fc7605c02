"""Evaluation of a segmenter on discs with known overlaps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from cytopipe.data.imaging.decode import encode_png
from cytopipe.data.imaging.masks import encode_mask, read_mask
from cytopipe.data.manifest import Row
from cytopipe.evaluation.segmenter.distribution import segmenter_details
from cytopipe.evaluation.segmenter.evaluate import evaluate_segmenter
from cytopipe.metrics.registry import of_task
from cytopipe.results.model_spec import ModelSpec
from made_otsu import otsu_spec

Organized = tuple[Path, list[Row]]
CPU = torch.device("cpu")


@pytest.fixture
def organized(tmp_path: Path) -> Organized:
    """Dark discs with darker nuclei on white, 32 x 32 px, with true masks: one training and two test images."""
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
    return otsu_spec("whole", 32)


class Threshold(nn.Module):
    """A network that segments by grey level: 240 outside, 140 in the cytoplasm, 40 in the nucleus."""

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        grey = images.mean(dim=1, keepdim=True) * 255
        return {"cyt": 200 - grey, "nuc": 90 - grey}


def test_test_images_are_measured_at_their_original_size(organized: Organized) -> None:
    folder, rows = organized
    table = evaluate_segmenter(Threshold(), spec(), folder, rows, CPU)
    assert [one["id"] for one in table] == ["01", "02"]
    details = segmenter_details("d", table)
    assert details.images == 2 and details.groups == 1
    assert {key: one.value for key, one in details.metrics.items()} == {
        metric.key: 0 if metric.key.startswith("hd95") else 1 for metric in of_task("segmentation")
    }

    class Blind(Threshold):
        def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
            return {head: logits - 1000 for head, logits in super().forward(images).items()}

    details = segmenter_details("d", evaluate_segmenter(Blind(), spec(), folder, rows, CPU))
    assert details.metrics["dice_cell"].value == details.metrics["iou_nucleus"].value == 0
    assert details.metrics["hd95_cell"].value is None and details.undefined["hd95_cell"] == 2
    background = np.mean([(read_mask(folder / row.mask_path) == 0).mean() for row in rows if row.split == "test"])
    assert details.metrics["pixel_accuracy_cell"].value == pytest.approx(background)


def test_without_true_masks_there_is_nothing_to_measure(organized: Organized) -> None:
    folder, rows = organized
    unmasked = [replace(row, mask_path="") for row in rows]
    assert evaluate_segmenter(Threshold(), spec(), folder, unmasked, CPU) == []
