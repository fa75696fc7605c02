"""Figures of an audit: near-duplicates, the accuracies of probes, and the images as the probes saw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes

from cytopipe.audit.linear_probe import ProbeResult
from cytopipe.metrics.plotting.figures import figure
from cytopipe.results.audit import Verdict

COLOURS: dict[str, str] = {"ok": "#8a94a6", "warning": "#d9a441", "fail": "#c8553d", "reference": "#1f5fbf"}
_BOX = 160  # side of a shown image, pixels
_MOST_PAIRS = 12
_MOST_LETTERS = 30


def pairs_figure(path: Path, pairs: Sequence[tuple[np.ndarray, np.ndarray, str, str]]) -> None:
    """Draw pairs of images, two pairs per row.

    Args:
        path: output file.
        pairs: two images (H x W x 3 uint8) and their two captions.
    """
    shown = pairs[:_MOST_PAIRS]
    rows = -(-len(shown) // 2)
    gap, between, text = 4, 28, 34
    width = 2 * _BOX + gap
    canvas = np.full((rows * (_BOX + text), 2 * width + between, 3), 255, np.uint8)
    with figure(path, 1, (8.8, 2.4 * rows + 0.3)) as (axis,):
        for number, (*images, one, other) in enumerate(shown):
            top, left = number // 2 * (_BOX + text), number % 2 * (width + between)
            for place, (image, caption) in enumerate(zip(images, (one, other), strict=True)):
                x = left + place * (_BOX + gap)
                canvas[top : top + _BOX, x : x + _BOX] = boxed(image)
                axis.text(x + 2, top + _BOX + 4, caption, fontsize=6.5, va="top", parse_math=False)
        axis.imshow(canvas)
        axis.set_axis_off()
        axis.set_title("near-duplicates, the most alike first")


def bars(axis: Axes, results: Mapping[str, tuple[ProbeResult, Verdict | str]]) -> None:
    """Draw balanced accuracies with their confidence intervals and the chance level; failures are red."""
    names = list(results)
    for place, (result, verdict) in enumerate(results.values()):
        reach = [[max(0.0, result.accuracy - result.low)], [max(0.0, result.high - result.accuracy)]]
        axis.barh(place, result.accuracy, color=COLOURS[verdict], height=0.62)
        axis.errorbar(result.accuracy, place, xerr=reach, color="#333333", capsize=3, linewidth=1)
        axis.text(max(result.high, result.accuracy) + 0.02, place, f"{result.accuracy:.2f}", va="center", fontsize=9)
    chance = next(iter(results.values()))[0].chance
    axis.axvline(chance, color="#333333", linestyle="--", linewidth=1)
    axis.text(chance, -0.62, "chance", ha="center", va="bottom", fontsize=8)
    axis.set_yticks(range(len(names)), names)
    axis.set(xlim=(0, 1.12), ylim=(len(names) - 0.4, -0.65), xlabel="balanced accuracy, groups not seen")
    axis.set_xticks(np.linspace(0, 1, 6))


def probe_figure(
    path: Path,
    results: Mapping[str, tuple[ProbeResult, Verdict | str]],
    shown: np.ndarray | None = None,
    title: str = "",
) -> None:
    """Draw the accuracies of probes, and beside them a picture (H x W x 3 uint8) of what they saw."""
    height = 1.3 + 0.42 * len(results)
    with figure(path, 1 if shown is None else 2, (5.2, max(height, 2.6 if shown is not None else 0))) as axes:
        bars(axes[0], results)
        if shown is not None:
            axes[1].imshow(shown)
            axes[1].set_axis_off()
            axes[1].set_title(title)


def gallery(rows: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Arrange rows of H x W x 3 uint8 images in one picture, with white lines between them."""
    lines = [
        np.concatenate([np.pad(boxed(image), ((3, 3), (3, 3), (0, 0)), constant_values=255) for image in row], 1)
        for row in rows
    ]
    return np.concatenate(lines)


def boxed(image: np.ndarray) -> np.ndarray:
    """Fit an H x W x 3 uint8 image into a grey square of _BOX px; small images are enlarged without smoothing."""
    height, width = image.shape[:2]
    factor = _BOX / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    scaled = cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST)
    box = np.full((_BOX, _BOX, 3), 238, np.uint8)
    top, left = (_BOX - size[1]) // 2, (_BOX - size[0]) // 2
    box[top : top + size[1], left : left + size[0]] = scaled
    return box


def short(name: str) -> str:
    """Shorten a long id in the middle."""
    half = _MOST_LETTERS // 2
    return name if len(name) <= _MOST_LETTERS else f"{name[: half - 1]}…{name[-half:]}"
