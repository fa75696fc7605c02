"""Drawing on images of cells: outlines, heat maps, boxes with names. The same colours and font everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from cytopipe.data.imaging.masks import CYTOPLASM, NUCLEUS

REGION_COLOURS = {"nucleus": "#e0912f", "cytoplasm": "#2f9ab8", "background": "#c3c8d0"}
CLASS_COLOURS = ("#1f5fbf", "#c8553d", "#2e7d4f", "#7b4fa3", "#b8860b", "#0f8a8a", "#a03060", "#5c6470")
CLIP = 99  # percentile of positive attribution that is shown at full strength


def heat(weights: np.ndarray) -> np.ndarray:
    """H x W attribution -> strength in [0, 1]: the positive part, clipped at its 99th percentile (system D)."""
    positive = np.maximum(weights, 0)
    limit = np.percentile(positive[positive > 0], CLIP) if (positive > 0).any() else 1.0
    result: np.ndarray = np.minimum(positive / limit, 1).astype(np.float32)
    return result


def outlined(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """H x W x 3 uint8 with the outlines of cell and nucleus drawn in, from a palette mask of any size."""
    drawn = image.copy()
    large = cv2.resize(mask, image.shape[1::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    side = 4 * max(1, round(image.shape[0] / mask.shape[0])) + 1  # of a blur that leaves no stairs of enlarged pixels
    for value, region in ((CYTOPLASM, "cytoplasm"), (NUCLEUS, "nucleus")):
        smooth = cv2.GaussianBlur((large >= value).astype(np.uint8) * 255, (side, side), 0)
        contours, _ = cv2.findContours((smooth > 127).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, contours, -1, ImageColor.getrgb(REGION_COLOURS[region]), 2, cv2.LINE_AA)
    return drawn


def overlaid(grey: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """H x W strengths in [0, 1] as a heat map over an H x W x 3 grey image, transparent where the strength is 0."""
    alpha = 0.85 * strength[..., None]
    return np.rint(grey * (1 - alpha) + coloured(0.3 + 0.65 * strength) * alpha).astype(np.uint8)


def coloured(strength: np.ndarray) -> np.ndarray:
    """Strength H x W in [0, 1] -> H x W x 3 uint8 RGB."""
    result: np.ndarray = (matplotlib.colormaps["inferno"](strength)[..., :3] * 255).astype(np.uint8)
    return result


def boxed(
    image: np.ndarray, boxes: Sequence[tuple[int, int, int, int]], names: Sequence[str], colours: Sequence[str]
) -> np.ndarray:
    """H x W x 3 uint8 with boxes drawn in.

    Args:
        image: not changed.
        boxes: (left, top, right, bottom) in pixels, the last two exclusive.
        names: written above each box; an empty name is skipped.
        colours: of each box.
    """
    sheet = Image.fromarray(image)
    draw = ImageDraw.Draw(sheet)
    longer = max(image.shape[:2])
    width, letters = max(1, longer // 700), font(max(11, longer // 90), False)
    for (left, top, right, bottom), name, colour in zip(boxes, names, colours, strict=True):
        draw.rectangle((left, top, right - 1, bottom - 1), outline=colour, width=width)
        if name:
            place = draw.textbbox((left, max(top, letters.size)), name, letters, anchor="lb")
            draw.rectangle(place, fill=colour)
            draw.text(place[:2], name, "#ffffff", letters, anchor="lt")
    return np.asarray(sheet)


@cache
def font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    """The font that comes with matplotlib, so that every machine draws the same."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf" / name), size)


def fitted(text: str, size: int, bold: bool, width: float) -> str:
    """The text, shortened with an ellipsis if it is wider than `width` pixels."""
    letters = font(size, bold)
    if letters.getlength(text) <= width:
        return text
    while text and letters.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"
