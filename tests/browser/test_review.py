"""The page of `cytopipe review` in a real Chromium: keys, clicks, strokes, two reviewers, a killed server."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, ViewportSize, expect

from contrast import TEXT, TEXTS, too_faint
from cytopipe.data.imaging.masks import read_mask
from made_review import CLASSES, HEIGHT, WIDTH, make_review
from screens import DESKTOP, PHONE, Scheme

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
# Background jobs of a shell ignore Ctrl-C: restore its handler.
COMMAND = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from cytopipe.cli import app; app()"
READY = re.compile(r"the review is running at (http://127\.0\.0\.1:\d+/)")
TABLE = Path("workflow/corrections/cells.csv")
Start = Callable[..., "Server"]
Open = Callable[..., Page]


class Server:
    """`cytopipe review` in a project."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = str(one.getsockname()[1])
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, "review", "--no-browser", "--port", port, *arguments],
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )
        assert self.process.stdout is not None
        found = READY.search(self.process.stdout.readline())
        assert found, self.process.wait(10)
        self.url = found[1]

    @property
    def rows(self) -> list[dict[str, str]]:
        if not (self.folder / TABLE).is_file():
            return []
        with (self.folder / TABLE).open(newline="") as file:
            return list(csv.DictReader(file))

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(how)
        return self.process.wait(30)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    make_review(tmp_path)
    servers: list[Server] = []

    def begin(*arguments: str) -> Server:
        servers.append(Server(tmp_path, *arguments))
        return servers[-1]

    yield begin
    for one in servers:
        if one.process.poll() is None:
            assert one.stop() == 0


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """Opens the page; the test fails if it reports an error that was not expected, or asks another server."""
    faults: list[str] = []
    contexts: list[BrowserContext] = []

    def visit(server: Server, size: ViewportSize = DESKTOP, scheme: Scheme = "light", expected: str = "\0") -> Page:
        context = browser.new_context(viewport=size, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)

        def asked(request: Request) -> None:
            if not request.url.startswith((server.url, "data:", f"blob:{server.url}")):
                faults.append(f"asked for {request.url}")

        def said(text: str) -> None:
            if expected not in text:
                faults.append(text)

        page.on("console", lambda message: said(message.text))
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on("request", asked)
        page.goto(server.url)
        expect(page.locator("#classes button")).to_have_count(len(CLASSES))
        expect(page.locator("#work")).to_be_visible()
        return page

    yield visit
    for context in contexts:
        context.close()
    assert faults == []


def shown(page: Page) -> str:
    return page.evaluate("document.body.dataset.shown") or ""


def press(page: Page, key: str) -> None:
    """Press a key that answers, and wait for the next cell."""
    before = shown(page)
    page.keyboard.press(key)
    page.wait_for_function("before => document.body.dataset.shown !== before && !document.body.ariaBusy", arg=before)


def at(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a point of the picture, in its pixels, lies on the screen."""
    return tuple(
        page.evaluate(
            """([x, y, width, height]) => {
              const canvas = document.getElementById("canvas"), box = canvas.getBoundingClientRect();
              const shown = Math.min(box.width / canvas.width, box.height / canvas.height);
              const scale = canvas.width / width;
              return [box.left + (box.width - canvas.width * shown) / 2 + x * scale * shown,
                      box.top + (box.height - canvas.height * shown) / 2 + y * scale * shown];
            }""",
            [x, y, WIDTH, HEIGHT],
        )
    )


def post(url: str, path: str, body: bytes, **headers: str) -> int:
    given = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(url + path, body, given), timeout=20) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_keys_answer_walk_and_undo(start: Start, visit: Open) -> None:
    server = start("--reviewer", "AB")
    page = visit(server)
    first = shown(page)
    press(page, "3")
    second = shown(page)
    assert server.rows == [{"image": first, "label": "malignant", "reason": "reviewed by AB"}]
    page.get_by_label("Note").fill("out of focus")
    page.keyboard.press("Enter")  # leaves the note, answers nothing
    press(page, "x")
    assert server.rows[1] == {"image": second, "label": "leave out", "reason": "AB: out of focus"}
    third = shown(page)
    page.get_by_role("button", name="The label is right").click()
    page.wait_for_function("before => document.body.dataset.shown !== before", arg=third)
    assert server.rows[2]["label"] == dict(zip("012", CLASSES, strict=True))[third.split("_")[1]]
    expect(page.locator("#counted")).to_have_text(re.compile(r"^3 of \d+ answered"))
    press(page, "u")
    assert shown(page) == third and len(server.rows) == 2
    press(page, "ArrowLeft")
    expect(page.locator("#said")).to_contain_text("Answered: leave out (AB: out of focus)")
    assert page.locator("b").count() == 0  # names of classes are text
    press(page, "2")
    assert server.rows[1]["label"] == "odd <b>"


def test_the_prediction_is_shown_only_on_demand(start: Start, visit: Open) -> None:
    page = visit(start())
    expect(page.locator("#probabilities")).to_be_hidden()
    page.keyboard.press("p")
    expect(page.locator("#probabilities tbody tr")).to_have_count(3)
    press(page, "s")
    expect(page.locator("#probabilities")).to_be_hidden()


def test_outlines_are_drawn_with_brush_and_polygon(start: Start, visit: Open) -> None:
    server = start("--reviewer", "AB")
    page = visit(server)
    one = shown(page)
    true = read_mask(server.folder / f"data/organized/cells/masks/{one}.png")
    page.keyboard.press("e")
    expect(page.locator("#editor")).to_be_visible()
    page.get_by_role("radio", name="Polygon").click()
    page.keyboard.press("b")  # background: all is wiped by a polygon around it
    for x, y in ((0.2, 0.2), (WIDTH - 0.2, 0.2), (WIDTH - 0.2, HEIGHT - 0.2), (0.2, HEIGHT - 0.2)):
        page.mouse.click(*at(page, x, y))
    page.keyboard.press("Enter")
    page.keyboard.press("c")
    for x, y in ((10, 8), (30, 8), (30, 28), (10, 28)):
        page.mouse.click(*at(page, x, y))
    page.keyboard.press("Enter")
    page.keyboard.press("d")
    page.keyboard.press("n")
    page.locator("#brush").fill("2")
    page.locator("#brush").blur()  # whose arrow keys would move it
    page.mouse.move(*at(page, 15.5, 18.5))
    page.mouse.down()
    page.mouse.move(*at(page, 24.5, 18.5), steps=5)
    page.mouse.up()
    page.mouse.click(*at(page, 5.5, 35.5))  # a slip
    page.keyboard.press("Control+z")
    expect(page.locator("#editor-hint")).to_contain_text("saved with your answer")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("alert")).to_contain_text("not saved yet")  # strokes are not lost by walking on
    press(page, "1")
    (row,) = server.rows
    mask = read_mask(server.folder / TABLE.parent / row["mask"])
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[8:28, 10:30] = 1
    assert ((mask >= 1) == (expected >= 1)).all() and mask.shape == true.shape
    nucleus = np.argwhere(mask == 2)
    assert (nucleus.min(axis=0).tolist(), nucleus.max(axis=0).tolist()) == ([16, 13], [20, 26])
    press(page, "ArrowLeft")  # what was drawn is what is shown
    kept = page.evaluate("fetch('/api/mask/0').then(r => r.arrayBuffer()).then(b => Array.from(new Uint8Array(b)))")
    assert kept == mask.ravel().tolist()
    press(page, "u") if shown(page) != one else page.keyboard.press("u")
    page.wait_for_function("() => document.getElementById('counted').textContent.startsWith('0 of')")
    assert server.rows == [] and not list((server.folder / "workflow/corrections/cells").glob("*"))


def test_a_killed_server_resumes_where_it_was(start: Start, visit: Open) -> None:
    server = start("--reviewer", "AB")
    page = visit(server, expected="ERR_CONNECTION_REFUSED")
    press(page, "1")
    press(page, "s")
    here = shown(page)
    server.stop(signal.SIGKILL)
    page.keyboard.press("2")
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    again = start("--reviewer", "AB")
    page = visit(again)
    assert shown(page) == here and len(again.rows) == 1
    expect(page.locator("#counted")).to_contain_text("1 put off")
    press(page, "u")  # of before the kill
    assert len(again.rows) == 1
    press(page, "u")
    assert again.rows == []


def test_two_reviewers_lose_no_answer(start: Start, visit: Open) -> None:
    one, other = start("--reviewer", "AB"), start("--reviewer", "CD")
    mine, theirs = visit(one, expected="409"), visit(other, expected="409")
    assert shown(mine) == shown(theirs)
    press(theirs, "2")
    mine.keyboard.press("1")
    expect(mine.get_by_role("alert")).to_contain_text("another reviewer has answered meanwhile: 'odd <b>'")
    expect(mine.locator("#said")).to_contain_text("Answered: odd <b> (reviewed by CD)")
    assert [row["reason"] for row in one.rows] == ["reviewed by CD"]
    press(mine, "1")  # knowing it
    press(mine, "1")
    theirs.keyboard.press("3")  # has not seen that the second was answered, too
    expect(theirs.get_by_role("alert")).to_contain_text("another reviewer has answered meanwhile: 'benign'")
    assert [row["reason"] for row in one.rows] == ["reviewed by AB"] * 2


def test_strokes_and_note_outlast_the_answer_of_another(start: Start, visit: Open) -> None:
    one, other = start("--reviewer", "AB"), start("--reviewer", "CD")
    mine, theirs = visit(one, expected="409"), visit(other, expected="409")
    mine.keyboard.press("e")
    mine.keyboard.press("n")
    mine.mouse.click(*at(mine, 5.5, 35.5))
    mine.get_by_label("Note").fill("a second nucleus")
    mine.get_by_label("Note").blur()
    first = shown(mine)
    press(theirs, "2")
    mine.keyboard.press("1")
    expect(mine.locator("#said")).to_contain_text("Answered: odd <b> (reviewed by CD)")
    press(mine, "1")
    (row,) = one.rows
    assert (row["image"], row["label"], row["reason"]) == (first, "benign", "AB: a second nucleus")
    assert read_mask(one.folder / TABLE.parent / row["mask"])[35, 5] == 2
    while theirs.locator("#done").is_hidden():
        theirs.keyboard.press("s")
        theirs.wait_for_timeout(100)
    theirs.keyboard.press("u")  # the last that was put off
    theirs.wait_for_function("() => document.getElementById('done').hidden")


def test_cells_of_a_field_become_new_images(start: Start, visit: Open) -> None:
    server = start("fields/slide.png", "--by", "unlikeness", "--dataset", "cells", "--reviewer", "AB")
    page = visit(server)
    expect(page.locator("#given")).to_have_text("Not labelled yet")
    expect(page.get_by_role("button", name="No label yet")).to_be_disabled()
    picture = page.get_by_alt_text("The field around the cell")
    page.wait_for_function("() => document.getElementById('field').naturalWidth > 100")
    expect(picture).to_be_visible()
    one = shown(page)
    press(page, "3")
    (row,) = server.rows
    assert (row["image"], row["label"], row["group"]) == (one, "malignant", "slide")
    assert (server.folder / TABLE.parent / row["file"]).is_file()
    for _ in range(5):
        page.keyboard.press("1")
        page.wait_for_timeout(300)
    expect(page.locator("#done")).to_contain_text("Nothing is left to look at")
    assert len(server.rows) == 6


def test_a_table_that_another_program_broke_is_named_and_kept(start: Start, visit: Open) -> None:
    server = start()
    page = visit(server, expected="400")
    table = server.folder / TABLE
    table.parent.mkdir(parents=True)
    table.write_text("image,label,reason\nhalf a\n")
    page.keyboard.press("1")
    expect(page.get_by_role("alert")).to_have_text(re.compile(rf"^{TABLE}:2: this row has another number of values"))
    assert table.read_text() == "image,label,reason\nhalf a\n"


def test_it_fits_and_can_be_read(start: Start, visit: Open) -> None:
    server = start()
    schemes: tuple[Scheme, ...] = ("light", "dark")
    for scheme in schemes:
        for size in (DESKTOP, PHONE):
            page = visit(server, size, scheme)
            page.keyboard.press("e")
            page.keyboard.press("p")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert len(page.evaluate(TEXTS)) > 8
            assert too_faint(page, TEXTS, TEXT) == []


def test_other_pages_and_nonsense_are_refused(start: Start) -> None:
    server = start()
    answer = json.dumps({"index": 0, "label": "benign"}).encode()
    assert post(server.url, "api/answer", answer, Origin="http://evil.example") == 403
    assert post(server.url, "api/answer", answer, Content_Type="text/plain") == 403
    assert post(server.url, "api/answer", answer, Host="evil.example") == 400
    for body in (b"", b"[]", b'{"index": "0"}', b'{"index": 99, "label": "benign"}', b'{"index": 0, "label": "cyst"}'):
        assert post(server.url, "api/answer", body) == 400
    for mask in ("!", "AAAA", "A" * 8):
        body = json.dumps({"index": 0, "label": "benign", "mask": mask}).encode()
        assert post(server.url, "api/answer", body) == 400
    for path in ("api/picture/999", "api/picture/..%2f..%2fparams.yaml", "params.yaml", "docs", "openapi.json"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(server.url + path, timeout=20)
        assert refused.value.code in (400, 404)
    assert server.rows == []
    assert post(server.url, "api/answer", answer) == 200 and len(server.rows) == 1
