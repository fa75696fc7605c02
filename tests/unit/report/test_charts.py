from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from cytopipe.report import charts
from cytopipe.report.charts import Axis, Canvas, Series, chart, series_style


def test_ticks_are_round_and_inside() -> None:
    assert Axis("x").ticks == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert Axis("epoch", 1, 12).ticks == pytest.approx([2.5, 5, 7.5, 10])
    assert Axis("x", 0.73).ticks == pytest.approx([0.8, 0.9, 1])


def test_corners_are_the_corners_of_the_area() -> None:
    canvas = Canvas(Axis("x", 0, 2), Axis("y", -1, 1))
    right, bottom = charts.WIDTH - charts.RIGHT, charts.HEIGHT - charts.BOTTOM
    places = canvas.place([(0, -1), (2, 1), (1, 0)])
    expected = [(charts.LEFT, bottom), (right, charts.TOP), ((charts.LEFT + right) / 2, (charts.TOP + bottom) / 2)]
    assert np.allclose(places, expected)


def test_values_outside_are_clipped_to_the_axes() -> None:
    canvas = Canvas(Axis("x"), Axis("y"))
    assert np.array_equal(canvas.place([(0.5, -3), (7, 1)]), canvas.place([(0.5, 0), (1, 1)]))


def test_an_axis_without_extent_does_not_divide_by_zero() -> None:
    assert np.isfinite(Canvas(Axis("x", 1, 1), Axis("y")).place([(1, 0.5)])).all()


def test_a_straight_line_needs_two_points() -> None:
    canvas = Canvas(Axis("x"), Axis("y"))
    assert canvas.path([(x, x) for x in np.linspace(0, 1, 101)]) == canvas.path([(0, 0), (1, 1)])


def test_simplification_stays_on_the_curve() -> None:
    canvas = Canvas(Axis("x"), Axis("y"))
    points = [(x, x**0.3) for x in np.linspace(0, 1, 101)]
    path = canvas.path(points)
    kept = np.array([[float(v) for v in pair.split(",")] for pair in path[1:].split("L")])
    pixels = canvas.place(points)
    shown = np.interp(pixels[:, 0], kept[:, 0], kept[:, 1])
    assert 5 < len(kept) < 60
    assert np.abs(shown - pixels[:, 1])[5:].max() < 1


def test_labels_are_escaped_and_the_svg_is_well_formed() -> None:
    line = Series([(0, 0), (1, 1)], "s0", 'a<b & "c"', marks=True, ranges=[(0.5, 0.2, 0.8)])
    svg = chart("<title>", Axis("x<y"), Axis("&"), [line], [[(0, 0), (1, 1)]])
    root = ET.fromstring(str(svg))
    assert root.attrib["aria-label"] == "<title>"
    assert [group.attrib["data-label"] for group in root.iter("g")] == ['a<b & "c"']
    assert {text.text for text in root.iter("text")} >= {"x<y", "&"}
    assert len(list(root.iter("circle"))) == 2


def test_a_single_point_is_a_mark_and_no_points_are_nothing() -> None:
    root = ET.fromstring(str(chart("t", Axis("x"), Axis("y"), [Series([(0.5, 0.5)], "s0"), Series([], "s1")])))
    groups = list(root.iter("g"))
    assert [group.attrib["class"] for group in groups] == ["line s0"]
    assert len(list(root.iter("circle"))) == 1


def test_styles_repeat() -> None:
    assert series_style(0) == series_style(charts.STYLES) == "s0"
