"""The picture of a prediction: the cell with its outlines, the predicted class, and attribution maps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from cytopipe.data.imaging.drawing import CLASS_COLOURS, REGION_COLOURS, fitted, font, heat, outlined, overlaid
from cytopipe.data.imaging.fit import Placement
from cytopipe.explain.attribution import BLACK, GRAD_CAM
from cytopipe.models.inference.predictor import Prediction

SMALLEST, LARGEST = 360, 1000  # limits of the longer side of a shown image, pixels
HEAD, EDGE, GAP, LINE = 64, 12, 10, 18  # heights and distances, pixels
INK, FAINT, PAPER, WARNING = "#1d2129", "#5c6470", "#ffffff", "#a04b00"
TITLES = {BLACK: "integrated gradients", GRAD_CAM: "Grad-CAM"}
SMOOTH = 0.025  # standard deviation of the smoothing of a heat map, as a share of its side
NAME = 200  # maximum bytes of a file's stem; file systems allow 255 for a name


def overlay(
    image: np.ndarray, prediction: Prediction, classes: Sequence[str], maps: Mapping[str, np.ndarray], name: str
) -> Image.Image:
    """Draw a prediction.

    Args:
        image: H x W x 3 uint8 RGB; small images are enlarged, large ones reduced.
        prediction: its prediction; if there is a mask, its outlines are drawn.
        classes: classes of the classifier, for the colour.
        maps: H x W attribution map of each method, of any size; each gets a tile.
        name: name of the image.
    """
    height, width = image.shape[:2]
    longer = max(height, width)
    scale = min(max(longer, SMALLEST), LARGEST) / longer
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    large = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)
    tiles = [("", large if prediction.mask is None else outlined(large, prediction.mask))]
    for method, weights in maps.items():
        empty = "" if (weights > 0).any() else ": nothing speaks for it"
        tiles.append((TITLES[method] + empty, heat_over(large, weights, prediction.placement)))

    tile_width = max(size[0], SMALLEST if not maps else SMALLEST // 2)
    across = len(tiles) * tile_width + (len(tiles) - 1) * GAP
    sheet = Image.new("RGB", (across + 2 * EDGE, HEAD + LINE + size[1] + 2 * EDGE), PAPER)
    draw = ImageDraw.Draw(sheet)
    _head(draw, prediction, classes, name, across)
    for place, (title, tile) in enumerate(tiles):
        left = EDGE + place * (tile_width + GAP)
        if title:
            draw.text((left, EDGE + HEAD), fitted(title, 12, False, tile_width), FAINT, font(12, False))
        elif prediction.mask is not None:
            _legend(draw, left, EDGE + HEAD)
        sheet.paste(Image.fromarray(tile), (left, EDGE + HEAD + LINE))
    return sheet


def _head(draw: ImageDraw.ImageDraw, prediction: Prediction, classes: Sequence[str], name: str, width: int) -> None:
    colour = CLASS_COLOURS[classes.index(prediction.predicted) % len(CLASS_COLOURS)]
    draw.rectangle((EDGE, EDGE, EDGE + 4, EDGE + HEAD - 12), fill=colour)
    left, room = EDGE + 13, width - 13
    percent = f"{100 * prediction.confidence:.0f} %"
    taken = font(17, True).getlength(f"  {percent}")
    label = fitted(prediction.predicted, 17, True, room - taken)
    draw.text((left, EDGE - 2), f"{label}  {percent}", INK, font(17, True))
    verdict, ink = ("uncertain: a person should look", WARNING) if prediction.uncertain else ("confident", FAINT)
    if prediction.unlike:
        verdict = "unlike the training images: a person should look"
    draw.text((left, EDGE + 20), fitted(verdict, 12, False, room), ink, font(12, False))
    shown = "".join(letter if letter.isprintable() else " " for letter in name)
    draw.text((left, EDGE + 37), fitted(shown, 12, False, room), FAINT, font(12, False))


def _legend(draw: ImageDraw.ImageDraw, left: int, top: int) -> None:
    for word, region in (("cell", "cytoplasm"), ("nucleus", "nucleus")):
        draw.rectangle((left, top + 6, left + 14, top + 8), fill=REGION_COLOURS[region])
        draw.text((left + 19, top), word, FAINT, font(12, False))
        left += round(font(12, False).getlength(word)) + 33


def heat_over(image: np.ndarray, weights: np.ndarray, where: Placement | None = None) -> np.ndarray:
    """An H x W x 3 uint8 image in grey under the smoothed positive part of an attribution map of any size.

    `where` is the place of the image in the square of the map; None: the image fills it.
    """
    smooth = heat(cv2.GaussianBlur(weights, (0, 0), SMOOTH * len(weights)))
    if where is None:
        over = cv2.resize(smooth, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    else:
        over = where.back(smooth, (image.shape[0], image.shape[1]))
    strength = np.clip(over, 0, 1)
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return overlaid(grey, strength)


def overlay_names(images: Sequence[str]) -> dict[str, str]:
    """A unique file name for the picture of each image: its stem, preceded by its folders if several share the stem.

    Names that would differ only by case get a number as well.
    """
    parts = {image: [part for part in Path(image).with_suffix("").parts if part not in ("/", "..")] for image in images}
    names = {image: own[-1] for image, own in parts.items()}
    shared = Counter(name.casefold() for name in names.values())
    wanted = {image: "_".join(parts[image]) if shared[name.casefold()] > 1 else name for image, name in names.items()}
    taken: set[str] = set()
    for image, name in wanted.items():
        cut, number = name.encode("utf-8", "replace")[-NAME:].decode("utf-8", "ignore"), 1
        chosen = cut
        while chosen.casefold() in taken:
            number += 1
            chosen = f"{cut}-{number}"
        taken.add(chosen.casefold())
        names[image] = f"{chosen}.png"
    return names
