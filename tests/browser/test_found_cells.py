"""The table of a hundred thousand found cells in a real Chromium: paged, sorted and filtered."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from cytopipe.core.io.atomic import write_text
from cytopipe.core.params import load_params
from cytopipe.report import read
from cytopipe.report.build import build_report
from cytopipe.results.screening import FoundCell, FoundCells
from screens import DESKTOP

pytestmark = pytest.mark.browser

CELLS = 100_000
CLASSES = ("normal", "odd & old", "<script>alert(1)</script>")


def many() -> FoundCells:
    rng = np.random.default_rng(7)
    left, top = rng.integers(0, 100_000, (2, CELLS)).tolist()
    label, abnormal = rng.integers(0, 3, CELLS).tolist(), rng.random(CELLS).round(4).tolist()
    rows = [
        FoundCell.model_construct(
            field=("median", "best")[place % 2],
            left=left[place],
            top=top[place],
            right=left[place] + 30,
            bottom=top[place] + 40,
            score=0.5,
            counts=True,
            match="",
            iou_boxes=None,
            iou_contours=None,
            label=CLASSES[label[place]],
            true_class="",
            confidence=None if place % 100 == 0 else 0.5,
            abnormal=abnormal[place],
        )
        for place in range(CELLS)
    ]
    return FoundCells.model_construct(rows=tuple(rows))


@pytest.fixture(scope="module")
def large(finished_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with a hundred thousand found cells."""
    before, real, found = Path.cwd(), read._screening, many()
    patch = pytest.MonkeyPatch()
    patch.setattr(read, "_screening", lambda name, config: replace(real(name, config), found=found))
    os.chdir(finished_project)
    try:
        html = build_report(load_params(Path("params.yaml"))).html
    finally:
        os.chdir(before)
        patch.undo()
    file = tmp_path_factory.mktemp("large") / "report.html"
    write_text(file, html)
    return file


@pytest.fixture
def page(browser: Browser, large: Path) -> Iterator[Page]:
    context = browser.new_context(viewport=DESKTOP)
    page, faults = context.new_page(), list[str]()
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(f"{large.as_uri()}#screening")
    yield page
    context.close()
    assert faults == []


def values(page: Page, column: int) -> list[str]:
    return page.locator(f".cells tbody tr td:nth-child({column})").all_inner_texts()


def test_a_hundred_thousand_cells_are_paged_sorted_and_filtered(page: Page, large: Path) -> None:
    assert large.stat().st_size < 5e6
    box = page.locator("[data-cells=fields]")
    box.scroll_into_view_if_needed()
    expect(box.locator("[data-place]")).to_have_text("Rows 1 to 50 of 100000.")
    first = [float(value) for value in values(page, 9)]
    assert first == sorted(first, reverse=True) and first[0] > 0.999  # the most abnormal first

    left = box.get_by_role("button", name="Left, px")
    left.click()
    expect(box.get_by_role("columnheader", name="Left, px")).to_have_attribute("aria-sort", "ascending")
    lowest = [int(value) for value in values(page, 2)]
    assert lowest == sorted(lowest) and lowest[0] < 10
    left.click()
    assert int(values(page, 2)[0]) > 99_990
    box.get_by_role("button", name="Last page").click()
    expect(box.locator("[data-place]")).to_have_text("Rows 99951 to 100000 of 100000.")
    assert int(values(page, 2)[-1]) == lowest[0]
    expect(box.get_by_role("button", name="After")).to_be_disabled()

    box.get_by_role("button", name="Confidence").click()  # what is not known comes last
    assert set(values(page, 8)) == {"0.500"}
    box.get_by_role("button", name="Last page").click()
    assert set(values(page, 8)) == {"–"}

    box.get_by_label("Class given").select_option(label=CLASSES[2])
    assert set(values(page, 6)) == {CLASSES[2]}
    expect(box.locator("[data-place]")).to_have_text(re.compile(r"^Rows 1 to 50 of 3\d{4}\.$"))
    box.get_by_label("Class given").focus()
    page.keyboard.press("Tab")
    expect(box.get_by_role("button", name="After")).to_be_focused()  # before it there are no pages
    page.keyboard.press("Enter")
    expect(box.locator("[data-place]")).to_have_text(re.compile(r"^Rows 51 to 100 of "))
    assert page.locator("script").count() == 2


def test_without_script_the_first_rows_are_there(browser: Browser, large: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(large.as_uri())
    expect(page.locator(".cells tbody tr")).to_have_count(25)
    expect(page.locator(".pager")).to_be_hidden()
    context.close()
