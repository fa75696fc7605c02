"""Colours of the report: text and lines stand out from their background in both colour schemes."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from contrast import GRAPHIC, LINES, TEXT, TEXTS, behind, contrast, luminance, parse, too_faint
from screens import Scheme, ShowReport

pytestmark = pytest.mark.browser

OUTLINE = "(({ outlineStyle, outlineWidth }) => [outlineStyle, outlineWidth])(getComputedStyle(document.activeElement))"


def test_contrasts_of_known_colours() -> None:
    black, white = parse("rgb(0, 0, 0)"), parse("rgb(255, 255, 255)")
    assert contrast(black, white) == pytest.approx(21)
    assert contrast(parse("rgb(118, 118, 118)"), white) == pytest.approx(4.54, abs=0.01)
    assert behind(["rgba(0, 0, 0, 0)", "rgba(0, 0, 0, 0.5)"]) == (127.5, 127.5, 127.5, 1.0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_lines_stand_out(show: ShowReport, scheme: Scheme) -> None:
    page = show(scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.locator("[data-cell='first~1~0']").click()
    page.locator("[data-gallery=first] .thumbs button").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert len(page.evaluate(TEXTS)) > 20 and len(page.evaluate(LINES)) > 20
    assert too_faint(page, TEXTS, TEXT) == []
    assert too_faint(page, LINES, GRAPHIC) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_scheme(show: ShowReport, scheme: Scheme) -> None:
    color = show(scheme=scheme).evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (luminance(parse(color)) < 0.1) == (scheme == "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_focus_is_seen(show: ShowReport, scheme: Scheme) -> None:
    page = show(scheme=scheme)
    for _ in range(6):
        page.keyboard.press("Tab")
        assert page.evaluate(OUTLINE) == ["solid", "3px"]
