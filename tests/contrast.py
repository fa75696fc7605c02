"""Contrast of colours as in WCAG 2.2 (1.4.3 and 1.4.11), measured on pages in a browser."""

from __future__ import annotations

from playwright.sync_api import Page

TEXT, GRAPHIC = 4.5, 3.0  # least ratios

# Every visible text with its colour and the background colours behind it, nearest first.
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


def parse(color: str) -> tuple[float, float, float, float]:
    """Parse `rgb(1, 2, 3)` or `rgba(1, 2, 3, 0.5)`, the formats of Chromium's computed styles."""
    name, _, values = color.partition("(")
    assert name in ("rgb", "rgba"), color
    numbers = [float(value) for value in values.rstrip(")").split(",")]
    return numbers[0], numbers[1], numbers[2], numbers[3] if len(numbers) == 4 else 1.0


def over(front: tuple[float, ...], back: tuple[float, ...]) -> tuple[float, ...]:
    """Blend a colour over an opaque one."""
    return (*(front[3] * f + (1 - front[3]) * b for f, b in zip(front[:3], back[:3], strict=True)), 1.0)


def behind(colors: list[str]) -> tuple[float, ...]:
    """The colour behind a text: its background colours, nearest first, blended over white."""
    seen: tuple[float, ...] = (255.0, 255.0, 255.0, 1.0)
    for color in reversed(colors):
        seen = over(parse(color), seen)
    return seen


def luminance(color: tuple[float, ...]) -> float:
    """Relative luminance, 0 to 1."""
    parts = [value / 255 for value in color[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Contrast ratio of two opaque colours, 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def too_faint(page: Page, script: str, least: float) -> list[str]:
    """The elements found by a script (TEXTS or LINES) whose contrast is below `least`."""
    faults = []
    for one in page.evaluate(script):
        back = behind(one["behind"])
        ratio = contrast(over(parse(one["color"]), back), back)
        if ratio < least:
            faults.append(f"{ratio:.2f}: {one['text']} ({one.get('where', '')}) {one['color']} on {one['behind'][0]}")
    return faults
