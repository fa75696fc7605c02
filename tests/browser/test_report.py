"""The report in Chromium: its filter, galleries and links work by mouse and keyboard, on a desktop and on a phone."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from screens import DESKTOP, PHONE, SMALL_PHONE, Scheme, ShowReport

pytestmark = pytest.mark.browser

SCRIPT = "<script>alert(1)</script>"


def open_all(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    expect(page.locator("[data-gallery=second] .thumbs button").first).to_be_visible()


def visible(page: Page, selector: str) -> int:
    return page.locator(f"{selector} >> visible=true").count()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_loads_without_errors_or_network(show: ShowReport, size: ViewportSize, scheme: Scheme) -> None:
    page = show(size, scheme)
    assert page.title() == "cytopipe report: smear, blood"
    broken = "[...document.images].filter((one) => !one.complete || !one.naturalWidth).length"
    open_all(page)
    page.wait_for_function(f"{broken} === 0")


@pytest.mark.parametrize(
    "size", [DESKTOP, ViewportSize(width=800, height=900), PHONE, SMALL_PHONE], ids=lambda size: str(size["width"])
)
def test_there_is_no_horizontal_scrolling(show: ShowReport, size: ViewportSize) -> None:
    page = show(size)
    open_all(page)
    page.locator("[data-cell]").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_the_filter_selects_results_and_the_hash_keeps_it(show: ShowReport) -> None:
    page = show()
    items = "#classifiers > [data-item]"
    assert visible(page, items) == 3
    page.get_by_label("Dataset").select_option("smear")
    assert visible(page, items) == 2
    assert "dataset=smear" in page.url
    expect(page.get_by_role("status")).to_have_text("2 of 3 classifiers")
    page.locator("select[name=classifier]").select_option("second")
    assert visible(page, items) == 1
    expect(page.locator("#classifier-second")).to_have_attribute("open", "")
    again = show(hash_="#" + page.url.partition("#")[2])
    assert visible(again, items) == 1
    expect(again.locator("select[name=classifier]")).to_have_value("second")
    page.get_by_role("button", name="Show all").click()
    assert visible(page, items) == 3
    assert "#" not in page.url


def test_the_filter_works_by_keyboard(show: ShowReport) -> None:
    page = show()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the filter")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Dataset")).to_be_focused()
    page.keyboard.press("b")
    assert "dataset=blood" in page.url
    assert visible(page, "#classifiers > [data-item]") == 1


def test_class_and_outcome_select_images(show: ShowReport) -> None:
    page = show(hash_="#class=normal&outcome=wrong")
    gallery = page.locator("[data-gallery=first]")
    expect(gallery.locator("h4")).to_have_text("Wrong: normal")
    assert gallery.locator(".thumbs button").count() == 1
    page.get_by_label("Outcome").select_option("right")
    assert gallery.locator(".thumbs button").count() == 2
    assert visible(page, "#explanations-first .panels [data-outcome=wrong]") == 0
    assert visible(page, "#dataset-smear .examples tbody tr") == 1
    assert visible(page, "#dataset-blood") == 0  # it has no such class


def test_a_filter_without_results_says_so(show: ShowReport) -> None:
    page = show(hash_="#dataset=blood")
    assert visible(page, "#explanations > [data-item]") == 1
    page = show(hash_=f"#class={SCRIPT}&classifier=folded")
    expect(page.locator("#classifiers .none")).to_be_visible()


@pytest.mark.parametrize(
    "nonsense", ["#%E0%A4%A", "#dataset=nowhere&class=%3C", "#cell=first~9~9", "#nowhere", "#&&=&"]
)
def test_an_invalid_hash_shows_everything(show: ShowReport, nonsense: str) -> None:
    assert visible(show(hash_=nonsense), "#classifiers > [data-item]") == 3


def test_a_cell_shows_its_images_by_mouse(show: ShowReport) -> None:
    page = show()
    gallery = page.locator("[data-gallery=first]")
    cell = page.locator("[data-cell='first~1~0']")
    cell.click()
    expect(cell).to_have_attribute("aria-pressed", "true")
    expect(gallery.locator("h4")).to_have_text("odd & old predicted as normal")
    expect(gallery.locator("p")).to_have_text("1 test image, most confident first.")
    gallery.locator(".thumbs button").click()
    viewer = page.get_by_role("dialog")
    expect(viewer.get_by_role("heading", name="first: wrong")).to_be_visible()
    expect(viewer).to_contain_text("true odd & old, predicted normal")
    expect(viewer).to_contain_text("second")
    viewer.get_by_role("button", name="Close").click()
    expect(viewer).to_be_hidden()
    cell.click()
    expect(gallery.locator("h4")).to_have_text("Wrong")


def test_a_cell_shows_its_images_by_keyboard(show: ShowReport) -> None:
    page = show()
    page.locator("[data-cell='first~0~0']").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("[data-cell='first~1~0']")).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert unquote(page.url).endswith("#cell=first~1~1")
    gallery = page.locator("[data-gallery=first]")
    expect(gallery.locator("h4")).to_have_text("odd & old, predicted as such")
    page.keyboard.press("Tab")
    expect(gallery.locator(".thumbs button").first).to_be_focused()
    page.keyboard.press("Enter")
    viewer = page.get_by_role("dialog")
    expect(viewer.locator(".viewer-place")).to_have_text("1 of 2")
    page.keyboard.press("ArrowRight")
    expect(viewer.locator(".viewer-place")).to_have_text("2 of 2")
    page.keyboard.press("Escape")
    expect(viewer).to_be_hidden()
    expect(gallery.locator(".thumbs button").first).to_be_focused()


def test_arrow_keys_skip_empty_cells_and_stop_at_the_edge(show: ShowReport) -> None:
    page = show()
    page.locator("[data-cell='first~0~0']").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-cell='first~0~2']")).to_be_focused()  # none of the first passes for the second
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-cell='first~0~2']")).to_be_focused()
    assert page.locator("[data-confusion=first] button[tabindex='0']").count() == 1


def test_links_lead_to_their_targets(show: ShowReport) -> None:
    page = show()
    page.locator("#leaderboard").get_by_role("link", name="second").click()
    expect(page.locator("#classifier-second")).to_have_attribute("open", "")
    assert page.url.endswith("#classifier-second")
    top = page.evaluate("document.querySelector('#classifier-second').getBoundingClientRect().top")
    assert 0 <= top < 200
    page.locator("#classifier-second").get_by_role("link", name="Parameters").click()
    expect(page.locator("[id='parameters-classifiers.second']")).to_have_attribute("open", "")
    page.go_back()
    assert page.url.endswith("#classifier-second")


def test_a_link_to_a_hidden_element_resets_the_filter(show: ShowReport) -> None:
    page = show(hash_="#dataset=blood")
    page.evaluate("location.hash = '#classifier-first'")
    expect(page.locator("#classifier-first")).to_be_visible()
    expect(page.get_by_label("Dataset")).to_have_value("")


def test_links_keep_the_filter(show: ShowReport) -> None:
    page = show(hash_="#dataset=smear")
    page.get_by_role("navigation").get_by_role("link", name="Audit").click()
    assert page.url.endswith("#audit&dataset=smear")
    assert visible(page, "#audit > [data-item]") == 1


def test_hostile_names_are_shown_as_text(show: ShowReport) -> None:
    page = show()
    open_all(page)
    expect(page.locator("#dataset-smear").get_by_role("rowheader", name=SCRIPT)).to_be_visible()
    page.locator("[data-cell='first~2~2']").click()
    gallery = page.locator("[data-gallery=first]")
    expect(gallery.locator("h4")).to_have_text(f"{SCRIPT}, predicted as such")
    for place in range(gallery.locator(".thumbs button").count()):
        gallery.locator(".thumbs button").nth(place).click()
        page.keyboard.press("Escape")
    page.get_by_label("True class").select_option(SCRIPT)
    assert page.locator("script").count() == 2
    assert page.locator("img[src=x]").count() == 0


def test_without_script_the_page_can_be_read(browser: Browser, report_file: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report_file.as_uri())
    expect(page.get_by_text("need JavaScript")).to_be_visible()
    expect(page.locator("#leaderboard tbody").get_by_role("link", name="first").first).to_be_visible()
    context.close()


def test_printing_expands_all_sections(show: ShowReport) -> None:
    page = show()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(page.locator("#classifier-second")).not_to_have_attribute("open", re.compile(".*"))


def test_reduced_motion_is_respected(show: ShowReport) -> None:
    moving = "getComputedStyle(document.querySelector('details.panel > summary'), '::before').transitionDuration"
    assert show().evaluate(moving) == "0s"
    assert show(motion="no-preference").evaluate(moving) == "0.12s"
