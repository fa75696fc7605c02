"""Line charts as inline SVG: a few kilobytes each, sharp at any size, in the colours of the page.

The style sheet of the page sets colours and dashes by class: `line s0`, `line s1` ... for series, `guide` for reference
lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from markupsafe import Markup, escape
from matplotlib.ticker import MaxNLocator

WIDTH, HEIGHT = 320, 236
LEFT, RIGHT, TOP, BOTTOM = 42, 10, 10, 38
STYLES = 8  # number of series styles in the style sheet; further series reuse them
TOLERANCE = 0.2  # largest distance of a simplified line from the original, pixels

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """An axis with its label and range."""

    label: str
    low: float = 0.0
    high: float = 1.0

    @property
    def ticks(self) -> list[float]:
        """About five round values inside the range."""
        ticks = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(self.low, self.high)
        slack = 1e-9 * (self.high - self.low)
        return [float(tick) for tick in ticks if self.low - slack <= tick <= self.high + slack]


@dataclass(frozen=True)
class Series:
    """One line.

    `style` is a class of the style sheet; `label` is the name by which the filter of classes hides the line; `marks`
    also draws the points; `ranges` are whiskers (x, low, high).
    """

    points: Sequence[Point]
    style: str
    label: str = ""
    marks: bool = False
    ranges: Sequence[tuple[float, float, float]] = field(default=())


def series_style(index: int) -> str:
    """Style of the series with this index."""
    return f"s{index % STYLES}"


class Canvas:
    """The plotting area of a chart, which maps values to pixels."""

    def __init__(self, x: Axis, y: Axis) -> None:
        self.x, self.y = x, y

    def place(self, points: Sequence[Point]) -> np.ndarray:
        """Pixel coordinates of points, N x 2 float32; values outside the range of the axes are clipped."""
        values = np.asarray(points, np.float64).reshape(-1, 2)
        across = (values[:, 0].clip(self.x.low, self.x.high) - self.x.low) / _span(self.x)
        up = (values[:, 1].clip(self.y.low, self.y.high) - self.y.low) / _span(self.y)
        pixels = (LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM))
        return np.stack(pixels, axis=1).astype(np.float32)

    def path(self, points: Sequence[Point]) -> str:
        """SVG path of a line, without points that change it by less than TOLERANCE."""
        pixels = self.place(points)
        if len(pixels) > 2:
            pixels = cv2.approxPolyDP(pixels[:, None], TOLERANCE, closed=False)[:, 0]
        return "M" + "L".join(f"{_short(x)},{_short(y)}" for x, y in pixels.tolist())


def chart(title: str, x: Axis, y: Axis, lines: Sequence[Series], guides: Sequence[Sequence[Point]] = ()) -> Markup:
    """Draw a chart.

    Args:
        title: accessible name, for screen readers.
        x: horizontal axis.
        y: vertical axis.
        lines: series in drawing order; a series without points is left out.
        guides: reference lines, thin and grey.

    Returns:
        An `svg` element in which every label is escaped.
    """
    canvas = Canvas(x, y)
    parts = [
        Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(WIDTH, HEIGHT, title),
        _grid(canvas),
        *(Markup('<path class="guide" d="{}"/>').format(canvas.path(points)) for points in guides),
        *(_line(canvas, line) for line in lines if line.points),
        Markup("</svg>"),
    ]
    return Markup("").join(parts)


def _grid(canvas: Canvas) -> Markup:
    x, y = canvas.x, canvas.y
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts: list[str] = []
    for tick in y.ticks:
        level = _short(float(canvas.place([(x.low, tick)])[0, 1]))
        parts.append(f'<path class="grid" d="M{LEFT},{level}H{right}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{level}" dy=".32em" text-anchor="end">{tick:g}</text>')
    for tick in x.ticks:
        place = _short(float(canvas.place([(tick, y.low)])[0, 0]))
        parts.append(f'<text class="tick" x="{place}" y="{bottom + 14}" text-anchor="middle">{tick:g}</text>')
    parts.append(f'<path class="axis" d="M{LEFT},{bottom}H{right}"/>')
    middle = (LEFT + right) / 2
    parts.append(
        f'<text class="name" x="{middle:g}" y="{HEIGHT - 5}" text-anchor="middle">{escape(x.label)}</text>'
        f'<text class="name" transform="translate(10 {(TOP + bottom) / 2:g}) rotate(-90)" text-anchor="middle">'
        f"{escape(y.label)}</text>"
    )
    return Markup("").join(map(Markup, parts))


def _line(canvas: Canvas, line: Series) -> Markup:
    opening = Markup('<g class="line {}" data-label="{}">').format(line.style, line.label)
    parts = [opening, Markup('<path d="{}"/>').format(canvas.path(line.points)) if len(line.points) > 1 else Markup()]
    for x, low, high in line.ranges:
        (left, top), (_, end) = canvas.place([(x, high), (x, low)]).tolist()
        parts.append(Markup('<path class="range" d="M{},{}V{}"/>').format(_short(left), _short(top), _short(end)))
    if line.marks or len(line.points) == 1:
        parts += [
            Markup('<circle cx="{}" cy="{}" r="3"/>').format(_short(a), _short(b))
            for a, b in canvas.place(line.points).tolist()
        ]
    return Markup("").join([*parts, Markup("</g>")])


def _span(axis: Axis) -> float:
    return (axis.high - axis.low) or 1.0


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
