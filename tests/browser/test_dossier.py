"""The dossier in Chromium: it fits the screen, fetches nothing, and its text stands out in both colour schemes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ViewportSize

from contrast import TEXT, TEXTS, too_faint
from cytopipe.core.io.atomic import write_text
from cytopipe.dossier.build import fill
from cytopipe.dossier.project import Project
from cytopipe.dossier.view import html
from screens import DESKTOP, SMALL_PHONE, Scheme

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def dossier_file(finished_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dossier of the finished project."""
    before = Path.cwd()
    os.chdir(finished_project)
    try:
        project = Project.read()
        text = html(project, fill(project))
    finally:
        os.chdir(before)
    file = tmp_path_factory.mktemp("dossier") / "dossier.html"
    write_text(file, text)
    return file


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (SMALL_PHONE, "dark")])
def test_the_page_fits_and_can_be_read(
    browser: Browser, dossier_file: Path, size: ViewportSize, scheme: Scheme
) -> None:
    page = browser.new_page(viewport=size, color_scheme=scheme)
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text))
    page.on("request", lambda one: None if one.url == dossier_file.as_uri() else faults.append(one.url))
    page.goto(dossier_file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert too_faint(page, TEXTS, TEXT) == []
    assert [fault for fault in faults if not fault.startswith("data:")] == []
    page.close()
