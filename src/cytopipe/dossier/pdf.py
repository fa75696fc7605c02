"""Printing a page as PDF by the Chromium of this machine."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from cytopipe.errors import CytopipeError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TIMEOUT_S = 120


def find_browser() -> str | None:
    """The path of Chromium or Chrome; None if neither is installed."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def print_pdf(browser: str, page: Path, pdf: Path) -> None:
    """Print an HTML file as PDF. Its bytes differ from run to run: Chromium writes the time into it.

    Raises:
        CytopipeError: if the browser fails, takes too long, or leaves no PDF.
    """
    with tempfile.TemporaryDirectory() as profile:
        made = Path(profile) / "page.pdf"
        command = [
            browser,
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--no-pdf-header-footer"),
            f"--user-data-dir={profile}/profile",
            f"--print-to-pdf={made}",
            page.resolve().as_uri(),
        ]
        hint = "print the HTML page from any browser"
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CytopipeError(f"Chromium made no PDF: {error}", where=pdf, hint=hint) from None
        if done.returncode or not made.is_file():
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise CytopipeError(f"Chromium made no PDF: {last}", where=pdf, hint=hint)
        shutil.move(made, pdf)
