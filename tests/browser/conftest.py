from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, ViewportSize, sync_playwright

from cytopipe.core.io.atomic import write_text
from cytopipe.core.params import load_params
from cytopipe.report.build import build_report
from screens import DESKTOP, Motion, Scheme, ShowReport


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The Chromium that is installed on this machine."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def report_file(finished_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the finished project, with its cards beside it."""
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
def show(browser: Browser, report_file: Path) -> Iterator[ShowReport]:
    faults: list[str] = []
    contexts: list[BrowserContext] = []

    def fetched(request: Request) -> None:
        if not request.url.startswith(("data:", report_file.as_uri())):
            faults.append(f"fetched {request.url}")

    def show(
        size: ViewportSize = DESKTOP, scheme: Scheme = "light", hash_: str = "", motion: Motion = "reduce"
    ) -> Page:
        context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion=motion)
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
