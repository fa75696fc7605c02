"""The panel of an explained image: the network's input, the cell's outline, each method's heat map and overlay."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from PIL import Image, ImageDraw

from cytopipe.data.imaging.drawing import REGION_COLOURS, coloured, fitted, font, heat, outlined, overlaid
from cytopipe.explain.names import TITLES

TILE, GAP, EDGE = 148, 8, 12  # pixels
TITLE, HEADING, BAR = 46, 20, 8  # heights
INK, FAINT, PAPER = "#1d2129", "#5c6470", "#ffffff"
RIGHT, WRONG = "#2e7d4f", "#b3372a"
SMOOTH = 0.025  # standard deviation of the smoothing of overlays, as a share of the side; heat maps stay sharp


def panel(
    image: np.ndarray,
    mask: np.ndarray,
    maps: Mapping[str, np.ndarray],
    shares: Mapping[str, Mapping[str, float]],
    title: str,
    subtitle: str,
    correct: bool,
) -> Image.Image:
    """Draw one panel.

    Args:
        image: S x S x 3 uint8 RGB.
        mask: S x S palette mask, drawn as outlines.
        maps: H x W attribution map of each method, of any size; the positive part is shown, as in system D.
        shares: shares of nucleus, cytoplasm and background for "pixels" and for methods, drawn as bars below.
        title: true and predicted class.
        subtitle: id of the image.
        correct: whether the prediction is correct, shown by the colour of the mark beside the title.
    """
    columns = 1 + len(maps)
    width = 2 * EDGE + columns * TILE + (columns - 1) * GAP
    height = 2 * EDGE + TITLE + HEADING + 2 * TILE + 2 * GAP + BAR
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((EDGE, EDGE + 2, EDGE + 4, EDGE + 36), fill=RIGHT if correct else WRONG)
    draw.text((EDGE + 13, EDGE), fitted(title, 15, True, width - 2 * EDGE - 13), INK, font(15, True))
    _legend(draw, EDGE + 13, EDGE + 21, subtitle, width - EDGE)

    large = _resized(image, cv2.INTER_CUBIC)
    grey = cv2.cvtColor(cv2.cvtColor(large, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    tops = [("input", "pixels", large, outlined(large, mask))]
    for method, weights in maps.items():
        strength = _resized(heat(weights), cv2.INTER_LINEAR)
        smooth = _resized(heat(cv2.GaussianBlur(weights, (0, 0), SMOOTH * len(weights))), cv2.INTER_LINEAR)
        tops.append((TITLES[method], method, coloured(strength), overlaid(grey, smooth)))
    for place, (heading, key, top, bottom) in enumerate(tops):
        left, y = EDGE + place * (TILE + GAP), EDGE + TITLE
        draw.text((left, y), heading, FAINT, font(12, False))
        for tile in (top, bottom):
            y += HEADING if tile is top else TILE + GAP
            sheet.paste(Image.fromarray(tile), (left, y))
        if key in maps and not (maps[key] > 0).any():
            middle = (left + TILE // 2, EDGE + TITLE + HEADING + TILE // 2)
            draw.text(middle, "nothing speaks for it", PAPER, font(12, False), anchor="mm")
        _bar(draw, left, y + TILE + GAP, shares.get(key))
    return sheet


def _resized(image: np.ndarray, how: int) -> np.ndarray:
    resized = cv2.resize(image, (TILE, TILE), interpolation=how)
    return np.clip(resized, 0, 1) if resized.dtype == np.float32 else resized


def _bar(draw: ImageDraw.ImageDraw, left: int, top: int, shares: Mapping[str, float] | None) -> None:
    start = 0.0
    for region, share in (shares or {}).items():
        edges = (left + round(start * TILE), top, left + round((start + share) * TILE) - 1, top + BAR - 1)
        if edges[2] >= edges[0]:
            draw.rectangle(edges, fill=REGION_COLOURS[region])
        start += share


def _legend(draw: ImageDraw.ImageDraw, left: int, top: int, subtitle: str, right: int) -> None:
    small = font(12, False)
    lengths = {word: round(small.getlength(word)) + 24 for word in REGION_COLOURS}
    words = "share of pixels, of attribution:"
    start = right - sum(lengths.values()) + 10
    begin = start - round(small.getlength(words)) - 10
    draw.text((begin, top), words, FAINT, small)
    for word, length in lengths.items():
        draw.rectangle((start, top + 2, start + 10, top + 12), fill=REGION_COLOURS[word])
        draw.text((start + 14, top), word, FAINT, small)
        start += length
    draw.text((left, top), fitted(subtitle, 12, False, begin - left - 10), FAINT, small)
