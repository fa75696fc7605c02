"""Colours of the report: text stands out from what is behind it, in both schemes (WCAG 2.2, 1.4.3 and 1.4.11)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

Open = Callable[..., Page]

TEXT, GRAPHIC = 4.5, 3.0

# Every text that is shown, with its colour and the colours behind it, nearest first.
TEXTS = """() => {
  const found = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), element = walker.currentNode.parentElement;
    if (!text || !element.checkVisibility() || element.closest("script, style, select, :disabled")) continue;
    const behind = [];
    for (let one = element; one; one = one.parentElement) behind.push(getComputedStyle(one).backgroundColor);
    const color = getComputedStyle(element)[element.closest("svg") ? "fill" : "color"];
    found.set(color + behind, { color, behind, text: text.slice(0, 40), where: element.getAttribute("class") });
  }
  return [...found.values()];
}"""
LINES = """() => [...document.querySelectorAll(".chart .line, .key .line")].map((one) => ({
  color: getComputedStyle(one).stroke,
  behind: [getComputedStyle(one.closest(".panel")).backgroundColor],
  text: one.getAttribute("class"),
}))"""
OUTLINE = "(({ outlineStyle, outlineWidth }) => [outlineStyle, outlineWidth])(getComputedStyle(document.activeElement))"


def parse(color: str) -> tuple[float, float, float, float]:
    """`rgb(1, 2, 3)` or `rgba(1, 2, 3, 0.5)`, as Chromium computes it."""
    name, _, values = color.partition("(")
    assert name in ("rgb", "rgba"), color
    numbers = [float(value) for value in values.rstrip(")").split(",")]
    return numbers[0], numbers[1], numbers[2], numbers[3] if len(numbers) == 4 else 1.0


def over(front: tuple[float, ...], back: tuple[float, ...]) -> tuple[float, ...]:
    return (*(front[3] * f + (1 - front[3]) * b for f, b in zip(front[:3], back[:3], strict=True)), 1.0)


def behind(colors: list[str]) -> tuple[float, ...]:
    """What is seen behind a text: the colours behind it, nearest first, on white."""
    seen: tuple[float, ...] = (255.0, 255.0, 255.0, 1.0)
    for color in reversed(colors):
        seen = over(parse(color), seen)
    return seen


def luminance(color: tuple[float, ...]) -> float:
    parts = [value / 255 for value in color[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def too_faint(page: Page, script: str, least: float) -> list[str]:
    faults = []
    for one in page.evaluate(script):
        back = behind(one["behind"])
        ratio = contrast(over(parse(one["color"]), back), back)
        if ratio < least:
            faults.append(f"{ratio:.2f}: {one['text']} ({one.get('where', '')}) {one['color']} on {one['behind'][0]}")
    return faults


def test_the_measure_itself() -> None:
    black, white = parse("rgb(0, 0, 0)"), parse("rgb(255, 255, 255)")
    assert contrast(black, white) == pytest.approx(21)
    assert contrast(parse("rgb(118, 118, 118)"), white) == pytest.approx(4.54, abs=0.01)
    assert behind(["rgba(0, 0, 0, 0)", "rgba(0, 0, 0, 0.5)"]) == (127.5, 127.5, 127.5, 1.0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_lines_stand_out(show: Open, scheme: str) -> None:
    page = show(scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.locator("[data-cell='first~1~0']").click()
    page.locator("[data-gallery=first] .thumbs button").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert len(page.evaluate(TEXTS)) > 20 and len(page.evaluate(LINES)) > 20
    assert too_faint(page, TEXTS, TEXT) == []
    assert too_faint(page, LINES, GRAPHIC) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_scheme(show: Open, scheme: str) -> None:
    color = show(scheme=scheme).evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (luminance(parse(color)) < 0.1) == (scheme == "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_focus_is_seen(show: Open, scheme: str) -> None:
    page = show(scheme=scheme)
    for _ in range(6):
        page.keyboard.press("Tab")
        assert page.evaluate(OUTLINE) == ["solid", "3px"]
