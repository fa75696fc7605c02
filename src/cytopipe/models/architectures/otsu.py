"""A segmenter without training: Otsu's threshold on grey, for datasets without masks.

Otsu, "A threshold selection method from gray-level histograms", IEEE Trans. SMC 9(1), 1979.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from cytopipe.models.registry import register

LOGIT = 8.0  # of a pixel that is inside; minus this outside
LUMA = (0.299, 0.587, 0.114)  # grey of red, green and blue (ITU-R BT.601), as OpenCV and PIL take it


@register("otsu", task="segmentation", paper="Otsu, IEEE Trans. SMC 9(1), 1979", input_size=256)
class OtsuSegmenter(nn.Module):
    """Cell: darker than Otsu's threshold of the image; nucleus: darker than that of the cell's pixels.

    Pixels of one grey alone have no darker part: an even image is background, an even cell has no nucleus.

    Args:
        dark_cells: False where cells are brighter than the background, as in fluorescence.
    """

    def __init__(self, dark_cells: bool = True) -> None:
        super().__init__()
        self.dark_cells = dark_cells

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """N x 3 x H x W float -> {"cyt", "nuc"} logits, N x 1 x H x W."""
        weights = torch.tensor(LUMA, device=image.device).view(1, -1, 1, 1)
        grey = (image.float() * weights).sum(dim=1).cpu().numpy()
        found = [self._segment(one) for one in grey]
        cell, nucleus = (torch.from_numpy(np.stack(part)) for part in zip(*found, strict=True))
        logits = ((inside[:, None].float() * 2 - 1) * LOGIT for inside in (cell, nucleus))
        return dict(zip(("cyt", "nuc"), (part.to(image.device) for part in logits), strict=True))

    def _segment(self, grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        darkness = grey if self.dark_cells else -grey
        levels = cv2.normalize(darkness, np.empty_like(darkness), 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
        cell = levels <= otsu_threshold(levels)
        return cell, levels <= otsu_threshold(levels[cell])


def otsu_threshold(levels: np.ndarray) -> int:
    """Threshold of uint8 values of any shape that best parts them in two; values up to it are the dark part.

    -1 where the values are all equal, or none.
    """
    if levels.size == 0 or levels.min() == levels.max():
        return -1
    threshold, _ = cv2.threshold(np.ascontiguousarray(levels.reshape(1, -1)), 0, 255, cv2.THRESH_OTSU)
    return int(threshold)
