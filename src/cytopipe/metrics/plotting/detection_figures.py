"""Figures of a screening: precision-recall curve, cell counts, and fields with their detections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageColor, ImageDraw

from cytopipe.data.imaging.decode import resize_rgb
from cytopipe.data.imaging.drawing import font
from cytopipe.metrics.detection import LEAST_IOU, ScreenedField
from cytopipe.metrics.plotting.figures import COLORS, SERIES, figure, note
from cytopipe.metrics.screening import NAMING, Measured

LONGER = 1280  # longer side of a drawn field, pixels
STRIP, EDGE, GAP = 42, 10, 24  # height, margin and spacing of the legend, pixels
LEGEND, NAME = 21, 17  # font sizes; the report shows the figure at half its size
INK, PAPER = "#1d2129", "#ffffff"
# Colours of the outlines by meaning; they also differ in lightness, for readers with a colour vision deficiency.
COLOURS = {"found": "#1f5fbf", "false": "#c8553d", "missed": "#f0c020", "at the edge, not counted": "#8a94a6"}
TRUE = "#ffffff"
Outline = tuple[np.ndarray, str, str]  # contour (P x 2), meaning, label


def precision_recall_figure(path: Path, rows: Sequence[Measured]) -> None:
    """Draw precision by recall over the detector's score, for boxes and contours, see `precision_recall_rows`."""
    with figure(path, 1, (4.4, 4.2)) as (axis,):
        axis.set(title="cells found, by the detector's score", xlabel="recall", ylabel="precision")
        axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
        if not rows:
            note(axis, "not defined:\nnothing was found, or there was nothing to find")
            return
        for kind, colour in zip(dict.fromkeys(row["overlap"] for row in rows), SERIES, strict=False):
            points = [row for row in rows if row["overlap"] == kind]
            x, y = [row["recall"] for row in points], [row["precision"] for row in points]
            axis.plot(x, y, color=colour, linewidth=1.6, label=f"{kind}, IoU ≥ {LEAST_IOU:g}")
            axis.plot(x[-1], y[-1], "o", color=colour)  # all detections
        axis.legend(fontsize=8, framealpha=0.85, edgecolor="none", loc="lower left")


def counts_figure(path: Path, rows: Sequence[Measured]) -> None:
    """Draw the number of found against annotated cells; each dot is a field, larger if several fields coincide."""
    with figure(path, 1, (4.4, 4.2)) as (axis,):
        points = [(row["true"], row["found"]) for row in rows]
        most = max((max(point) for point in points), default=1) * 1.08 + 1
        axis.plot([0, most], [0, most], color=COLORS["line"], linestyle="--", linewidth=1)
        sizes = {point: 28 * points.count(point) for point in points}
        true, found = [point[0] for point in sizes], [point[1] for point in sizes]
        axis.scatter(true, found, s=list(sizes.values()), color=COLORS["val"], alpha=0.75, linewidths=0)
        axis.set(title="cells of each field", xlabel="annotated", ylabel="found", xlim=(0, most), ylim=(0, most))


def field_figure(image: np.ndarray, field: ScreenedField) -> np.ndarray:
    """Draw a field with the annotated outlines in white and the detections in colours.

    A detection with a wrong class is labelled with the predicted and the true class.

    Args:
        image: the field, H x W x 3 uint8 RGB.
        field: its annotations and detections.

    Returns:
        H x W x 3 uint8 RGB, a legend below the field, whose longer side has LONGER pixels.
    """
    height, width = image.shape[:2]
    scale = LONGER / max(height, width)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    drawn = resize_rgb(image, size).copy()
    for cell in field.true:
        _draw(drawn, cell.contour, scale, TRUE, 1)
    outlines = list(_outlines(field))
    for contour, what, _ in outlines:
        _draw(drawn, contour, scale, COLOURS[what], 2)
    sheet = Image.new("RGB", (size[1], size[0] + STRIP), PAPER)
    sheet.paste(Image.fromarray(drawn), (0, 0))
    pen = ImageDraw.Draw(sheet)
    for contour, what, word in outlines:
        if word:
            x, y = (contour.mean(axis=0) * scale).tolist()
            half = font(NAME, False).getlength(word) / 2 + 4
            x = max(min(x, size[1] - half), half)
            place = pen.textbbox((x, y), word, font(NAME, False), anchor="mm")
            pen.rectangle((place[0] - 2, place[1] - 1, place[2] + 2, place[3] + 1), fill=COLOURS[what])
            pen.text((x, y), word, PAPER, font(NAME, False), anchor="mm")
    _legend(pen, size[0], [what for _, what, _ in outlines], len(field.true))
    return np.asarray(sheet)


def _outlines(field: ScreenedField) -> Iterator[Outline]:
    """The coloured outlines: missed cells first, then all detections."""
    matches, counted = field.matches(NAMING), set(field.counts(NAMING))
    for place, true in enumerate(field.true):
        if place not in matches.values():
            yield true.contour, "missed", ""
    for place, one in enumerate(field.found):
        if place not in matches:
            yield one.contour, "false" if place in counted else "at the edge, not counted", ""
            continue
        label = field.true[matches[place]].label
        yield one.contour, "found", "" if one.label == label else f"{one.label}, not {label}"


def _draw(image: np.ndarray, contour: np.ndarray, scale: float, colour: str, width: int) -> None:
    """Draw a closed outline with subpixel accuracy, over a dark rim that makes it visible on any background."""
    middles = (np.asarray(contour, float) + 0.5) * scale - 0.5
    points = np.rint(middles * 8).astype(np.int32)
    for shade, thickness in (("#101418", width + 2), (colour, width)):
        cv2.polylines(image, [points], True, ImageColor.getrgb(shade), thickness, cv2.LINE_AA, shift=3)


def _legend(pen: ImageDraw.ImageDraw, top: int, drawn: Sequence[str], true: int) -> None:
    entries = [(f"{true} annotated", TRUE)]
    entries += [(f"{drawn.count(what)} {what}", colour) for what, colour in COLOURS.items()]
    left, letters = EDGE, font(LEGEND, False)
    for text, colour in entries:
        pen.line((left, top + STRIP // 2, left + 24, top + STRIP // 2), fill="#101418", width=5)
        pen.line((left + 1, top + STRIP // 2, left + 23, top + STRIP // 2), fill=colour, width=3)
        pen.text((left + 31, top + STRIP // 2), text, INK, letters, anchor="lm")
        left += 31 + round(letters.getlength(text)) + GAP
