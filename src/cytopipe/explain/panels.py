"""One picture an explained image: what the network saw, the cell's outline, and each method's heat map and overlay."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from cytopipe.explain.names import REGION_COLOURS, TITLES
from cytopipe.masks import CYTOPLASM, NUCLEUS

TILE, GAP, EDGE = 148, 8, 12  # pixels
TITLE, HEADING, BAR = 46, 20, 8  # heights
INK, FAINT, PAPER = "#1d2129", "#5c6470", "#ffffff"
RIGHT, WRONG = "#2e7d4f", "#b3372a"
SMOOTH = 0.025  # standard deviation, of the side: overlays show regions, heat maps the positions themselves
CLIP = 99  # percentile of positive attribution that is shown at full strength


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
        image: S x S x 3 uint8.
        mask: S x S palette, drawn as outlines.
        maps: H x W a method, of any size; their positive part is shown, as in system D.
        shares: of nucleus, cytoplasm and background, drawn as a bar below the column: for "pixels" and methods.
        title: the classes.
        subtitle: the image.
        correct: colours the title's mark.
    """
    columns = 1 + len(maps)
    width = 2 * EDGE + columns * TILE + (columns - 1) * GAP
    height = 2 * EDGE + TITLE + HEADING + 2 * TILE + 2 * GAP + BAR
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((EDGE, EDGE + 2, EDGE + 4, EDGE + 36), fill=RIGHT if correct else WRONG)
    draw.text((EDGE + 13, EDGE), _fit(title, 15, True, width - 2 * EDGE - 13), INK, _font(15, True))
    _legend(draw, EDGE + 13, EDGE + 21, subtitle, width - EDGE)

    large = _resized(image, cv2.INTER_CUBIC)
    grey = cv2.cvtColor(cv2.cvtColor(large, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    tops = [("input", "pixels", large, outlined(large, mask))]
    for method, weights in maps.items():
        strength = _resized(heat(weights), cv2.INTER_LINEAR)
        smooth = _resized(heat(cv2.GaussianBlur(weights, (0, 0), SMOOTH * len(weights))), cv2.INTER_LINEAR)
        tops.append((TITLES[method], method, _coloured(strength), overlaid(grey, smooth)))
    for place, (heading, key, top, bottom) in enumerate(tops):
        left, y = EDGE + place * (TILE + GAP), EDGE + TITLE
        draw.text((left, y), heading, FAINT, _font(12, False))
        for tile in (top, bottom):
            y += HEADING if tile is top else TILE + GAP
            sheet.paste(Image.fromarray(tile), (left, y))
        if key in maps and not (maps[key] > 0).any():
            middle = (left + TILE // 2, EDGE + TITLE + HEADING + TILE // 2)
            draw.text(middle, "nothing speaks for it", PAPER, _font(12, False), anchor="mm")
        _bar(draw, left, y + TILE + GAP, shares.get(key))
    return sheet


def heat(weights: np.ndarray) -> np.ndarray:
    """H x W attribution -> strength in [0, 1]: the positive part, clipped at its 99th percentile (system D)."""
    positive = np.maximum(weights, 0)
    limit = np.percentile(positive[positive > 0], CLIP) if (positive > 0).any() else 1.0
    return np.minimum(positive / limit, 1).astype(np.float32)


def outlined(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """H x W x 3 uint8 with the outlines of cell and nucleus of a palette mask, of any size, drawn in."""
    drawn = image.copy()
    large = cv2.resize(mask, image.shape[1::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    for value, region in ((CYTOPLASM, "cytoplasm"), (NUCLEUS, "nucleus")):
        smooth = cv2.GaussianBlur((large >= value).astype(np.uint8) * 255, (5, 5), 0)  # no stairs
        contours, _ = cv2.findContours((smooth > 127).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, contours, -1, ImageColor.getrgb(REGION_COLOURS[region]), 2, cv2.LINE_AA)
    return drawn


def overlaid(grey: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Heat of H x W strengths over H x W x 3 grey; where there is none, the image is seen."""
    alpha = 0.85 * strength[..., None]
    return np.rint(grey * (1 - alpha) + _coloured(0.3 + 0.65 * strength) * alpha).astype(np.uint8)


def _coloured(strength: np.ndarray) -> np.ndarray:
    return (matplotlib.colormaps["inferno"](strength)[..., :3] * 255).astype(np.uint8)


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
    font = _font(12, False)
    lengths = {word: round(font.getlength(word)) + 24 for word in REGION_COLOURS}
    words = "share of pixels, of attribution:"
    start = right - sum(lengths.values()) + 10
    begin = start - round(font.getlength(words)) - 10
    draw.text((begin, top), words, FAINT, font)
    for word, length in lengths.items():
        draw.rectangle((start, top + 2, start + 10, top + 12), fill=REGION_COLOURS[word])
        draw.text((start + 14, top), word, FAINT, font)
        start += length
    draw.text((left, top), _fit(subtitle, 12, False, begin - left - 10), FAINT, font)


def _fit(text: str, size: int, bold: bool, width: int) -> str:
    """The text, cut with an ellipsis where it is wider."""
    font = _font(size, bold)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"


@cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    """The font that comes with matplotlib, so that every machine draws the same."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf" / name), size)
