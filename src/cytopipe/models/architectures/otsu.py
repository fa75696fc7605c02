"""A segmenter that needs no training: Otsu's threshold on the grey image, for datasets without masks.

Otsu, "A threshold selection method from gray-level histograms", IEEE Trans. SMC 9(1), 1979.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from cytopipe.models.registry import register

LOGIT = 8.0  # logit of a pixel inside; -LOGIT outside
LUMA = (0.299, 0.587, 0.114)  # weights of red, green and blue (ITU-R BT.601), as in OpenCV and PIL


@register("otsu", task="segmentation", paper="Otsu, IEEE Trans. SMC 9(1), 1979", input_size=256)
class OtsuSegmenter(nn.Module):
    """Cell: darker than Otsu's threshold of the image; nucleus: darker than that of the cell's pixels.

    Pixels of a single grey level have no darker part: a uniform image is background, a uniform cell has no nucleus.

    Args:
        dark_cells: whether cells are darker than the background; False for fluorescence.
    """

    def __init__(self, dark_cells: bool = True) -> None:
        super().__init__()
        self.dark_cells = dark_cells

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Logits of "cyt" (the whole cell) and "nuc", N x 1 x H x W each, for images N x 3 x H x W float."""
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
    """Otsu's threshold of uint8 values of any shape; values up to and including it are the dark class.

    It is -1 if all values are equal, or there are none.
    """
    if levels.size == 0 or levels.min() == levels.max():
        return -1
    threshold, _ = cv2.threshold(np.ascontiguousarray(levels.reshape(1, -1)), 0, 255, cv2.THRESH_OTSU)
    return int(threshold)
