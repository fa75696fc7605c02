from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

from cytopipe.io.atomic import write_text
from cytopipe.params import load_params
from cytopipe.report.build import build_report

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}

Open = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def report_file(finished_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the finished project, as a file, with its cards beside it."""
    before = Path.cwd()
    os.chdir(finished_project)
    try:
        report = build_report(load_params(Path("params.yaml")))
    finally:
        os.chdir(before)
    folder = tmp_path_factory.mktemp("results")
    for name, text in report.cards.items():
        write_text(folder / "cards" / name, text)
    write_text(folder / "report.html", report.html)
    return folder / "report.html"


@pytest.fixture
def show(browser: Browser, report_file: Path) -> Iterator[Open]:
    """Open the report at a size, in a scheme of colours, at a hash; it must say and fetch nothing."""
    faults: list[str] = []
    contexts = []

    def fetched(request: Request) -> None:
        if not request.url.startswith(("data:", report_file.as_uri())):
            faults.append(f"fetched {request.url}")

    def show(size: dict[str, int] = DESKTOP, scheme: str = "light", hash_: str = "", motion: str = "reduce") -> Page:
        context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion=motion)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: faults.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
        page.on("request", fetched)
        page.goto(report_file.as_uri() + hash_)
        return page

    yield show
    for context in contexts:
        context.close()
    assert faults == []
