"""A segmenter that needs no training: Otsu's threshold on the grey image, for datasets without masks.

Otsu, "A threshold selection method from gray-level histograms", IEEE Trans. SMC 9(1), 1979.

Its masks are the same on every processor: grey levels come pixel by pixel from operations that IEEE 754 rounds in one
way, and the threshold from whole numbers. OpenCV has functions for both, with other code for other processors.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from cytopipe.models.registry import register

LOGIT = 128.0  # logit of a pixel inside, of which the probability is 1 in float32; -LOGIT, of which it is 0, outside
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
        red, green, blue = image.cpu().double().numpy().swapaxes(0, 1)
        found = [self._segment(grey) for grey in red * LUMA[0] + green * LUMA[1] + blue * LUMA[2]]
        cell, nucleus = (torch.from_numpy(np.stack(part)) for part in zip(*found, strict=True))
        logits = ((inside[:, None].float() * 2 - 1) * LOGIT for inside in (cell, nucleus))
        return dict(zip(("cyt", "nuc"), (part.to(image.device) for part in logits), strict=True))

    def _segment(self, grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        darkness = grey if self.dark_cells else -grey
        low, high = darkness.min(), darkness.max()
        levels = ((darkness - low) * (255 / (high - low) if high > low else 0)).astype(np.uint8)
        cell = levels <= otsu_threshold(levels)
        return cell, levels <= otsu_threshold(levels[cell])


def otsu_threshold(levels: np.ndarray) -> int:
    """Otsu's threshold of uint8 values of any shape; values up to and including it are the dark class.

    It is -1 if all values are equal, or there are none.
    """
    if levels.size == 0 or levels.min() == levels.max():
        return -1
    pixels = np.bincount(levels.ravel(), minlength=256)
    below, sums = np.cumsum(pixels), np.cumsum(pixels * np.arange(256))
    above = below[-1] - below
    # The variance between the classes, but for a factor: the squared distance of their means, weighted by their sizes.
    distance = sums[-1] / below[-1] * below - sums
    variance = distance * distance / np.maximum(below * above, 1)
    return int(np.argmax(np.where(above > 0, variance, 0)))
