"""Printing by Chromium, with the real one where there is one."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from cytopipe.dossier.pdf import find_browser, print_pdf
from cytopipe.errors import CytopipeError


@pytest.fixture
def page(tmp_path: Path) -> Path:
    file = tmp_path / "a page.html"
    file.write_text("<!doctype html><title>t</title><p>text</p>")
    return file


@pytest.mark.browser
def test_chromium_prints_a_pdf(page: Path) -> None:
    browser = find_browser()
    if browser is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    pdf = page.with_suffix(".pdf")
    print_pdf(browser, page, pdf)
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert sorted(path.name for path in page.parent.iterdir()) == ["a page.html", "a page.pdf"]


def test_a_browser_that_fails_says_why(page: Path, tmp_path: Path) -> None:
    browser = tmp_path / "chromium"
    browser.write_text("#!/bin/sh\necho no display >&2\nexit 3\n")
    browser.chmod(browser.stat().st_mode | stat.S_IEXEC)
    with pytest.raises(CytopipeError, match="no display"):
        print_pdf(str(browser), page, tmp_path / "page.pdf")
    with pytest.raises(CytopipeError, match="made no PDF"):
        print_pdf(str(tmp_path / "missing"), page, tmp_path / "page.pdf")
