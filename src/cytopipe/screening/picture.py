"""The picture of a screened field: every cell is outlined in the colour of its class and numbered, above a legend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import cv2
import numpy as np
from PIL import Image, ImageColor, ImageDraw

from cytopipe.data.imaging.boxes import Box
from cytopipe.data.imaging.decode import resize_rgb
from cytopipe.data.imaging.drawing import CLASS_COLOURS, boxed, font
from cytopipe.data.imaging.fields import Field
from cytopipe.screening.screen import ScreenedCell

LONGEST = 4096  # maximum longer side of the picture, pixels
LEAST = 1200  # small fields are enlarged to at most this longer side
UNCLASSIFIED = "cell"
THUMBNAIL = 360  # longer side of a small picture, pixels


def class_colours(classes: tuple[str, ...]) -> dict[str, str]:
    """ "#rrggbb" of each class; more classes than colours share some."""
    return {name: CLASS_COLOURS[index % len(CLASS_COLOURS)] for index, name in enumerate(classes)}


class Picture:
    """A field, reduced or enlarged by an integer factor, on which cells are drawn as they arrive.

    Args:
        field: the field; it is read strip by strip.
        colours: colour of each class, in the order of the legend.
    """

    def __init__(self, field: Field, colours: Mapping[str, str]) -> None:
        longer = max(field.height, field.width)
        self._factor = 1 / -(-longer // LONGEST) if longer > LONGEST else max(1, LEAST // longer)
        self._image = _resized(field, self._factor)
        self._colours = colours
        self._boxes: list[Box] = []
        self._names: list[str] = []
        self._box_colours: list[str] = []
        self._counts: Counter[str] = Counter()
        self._uncertain = 0

    def add(self, number: int, screened: ScreenedCell) -> None:
        """Draw a cell with its number in the field; a question mark means that its class is uncertain."""
        prediction = screened.prediction
        name = prediction.predicted if prediction else UNCLASSIFIED
        uncertain = bool(prediction and prediction.uncertain)
        colour = self._colours[name]
        line = max(1, max(self._image.shape) // 800)
        for contour, width in ((screened.cell.contour, line + 1), (screened.cell.nucleus, line)):
            if contour is not None:
                points = np.rint((contour + 0.5) * self._factor * 16).astype(np.int32)  # with 4 fractional bits
                cv2.polylines(self._image, [points], True, ImageColor.getrgb(colour), width, cv2.LINE_AA, shift=4)
        left, top, right, bottom = (round(value * self._factor) for value in screened.cell.box)
        self._boxes.append((left, top, max(right, left + 1), max(bottom, top + 1)))
        self._names.append(f"{number}{'?' if uncertain else ''}")
        self._box_colours.append(colour)
        self._counts[name] += 1
        self._uncertain += uncertain

    def finish(self) -> np.ndarray:
        """The finished picture with its legend, H x W x 3 uint8 RGB."""
        drawn = boxed(self._image, self._boxes, self._names, self._box_colours)
        return np.concatenate([drawn, self._legend()])

    def _legend(self) -> np.ndarray:
        """The legend, as wide as the picture: a swatch, the name and the number of cells of each class."""
        width = self._image.shape[1]
        letters = font(max(13, width // 75), False)
        gap = round(letters.size)
        entries = [(self._colours[name], f"{name}  {self._counts[name]}") for name in self._colours]
        if self._uncertain:
            entries.append(("", f"?  uncertain  {self._uncertain}"))
        places, x, y = [], gap, gap // 2
        for _, text in entries:
            long = round(letters.getlength(text)) + 3 * gap
            if x > gap and x + long > width:
                x, y = gap, y + 2 * gap
            places.append((x, y))
            x += long + gap
        sheet = Image.new("RGB", (width, y + 2 * gap), "#ffffff")
        draw = ImageDraw.Draw(sheet)
        for (colour, text), (x, y) in zip(entries, places, strict=True):
            if colour:
                draw.rectangle((x, y, x + gap, y + gap), fill=colour)
            draw.text((x + (1.5 * gap if colour else 0), y + gap / 2), text, "#222222", letters, anchor="lm")
        return np.asarray(sheet)


def thumbnail_of(field: Field, cells: Iterable[tuple[np.ndarray, str]], longest: int = THUMBNAIL) -> np.ndarray:
    """A field, reduced, with outlines: H x W x 3 uint8 RGB of at most `longest` pixels on the longer side.

    Args:
        field: the field; it is read strip by strip.
        cells: contours, P x 2 (x, y) in pixels of the field, and their colours, "#rrggbb".
        longest: longer side, pixels.
    """
    image = field.shrunk(max(1, max(field.height, field.width) // (2 * longest))).copy()
    scale = min(1.0, longest / max(image.shape[:2]))
    if scale < 1:
        image = resize_rgb(image, (max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale))))
    factor = np.array([image.shape[1] / field.width, image.shape[0] / field.height])
    for contour, colour in cells:
        points = np.rint((contour + 0.5) * factor * 16).astype(np.int32)  # with 4 fractional bits
        cv2.polylines(image, [points], True, ImageColor.getrgb(colour), 2, cv2.LINE_AA, shift=4)
    return image


def _resized(field: Field, factor: float) -> np.ndarray:
    """The field, reduced or enlarged by an integer factor, as a copy."""
    if factor < 1:
        return field.shrunk(round(1 / factor)).copy()
    image = field.read(0, 0, field.height, field.width)
    size = (field.width * round(factor), field.height * round(factor))
    return cv2.resize(image, size, interpolation=cv2.INTER_CUBIC) if factor > 1 else image.copy()
