"""`cytopipe dossier`: reporting checklists, filled from a finished run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cytopipe.cli.common import Debug, clear_errors

FOLDER = Path("results/dossier")

Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder of the dossier.")]
OneClassifier = Annotated[
    str | None,
    typer.Option("--classifier", metavar="NAME", help="Only this classifier and its data; by default all of the run."),
]


def command(out: Out = FOLDER, classifier: OneClassifier = None, debug: Debug = False) -> None:
    """Fill the checklists of CLAIM 2024 and TRIPOD+AI from the finished run in the current folder.

    Each item names the file and the key that hold its values, or is `not reported` and says what the author must write.
    Answers in dossier.yaml, such as `claim-44: "No funding."`, are shown with their items; OUT/questions.yaml lists the
    items that are still open, ready to be filled in.

    It writes dossier.html, the same bytes for the same run, and dossier.pdf where Chromium is installed, which writes
    the time into it.

    \b
    Examples:
      cytopipe dossier
      cytopipe dossier --classifier attention-masks --out paper/supplement
    """
    with clear_errors(debug):
        write(out, classifier)


def write(out: Path, classifier: str | None) -> None:
    """Write the dossier and print what it holds.

    Raises:
        CytopipeError: if the run is not finished, dossier.yaml is not valid, or Chromium fails.
    """
    from cytopipe.core.io.atomic import write_text
    from cytopipe.dossier.answers import questions
    from cytopipe.dossier.build import STATUSES, fill
    from cytopipe.dossier.pdf import find_browser, print_pdf
    from cytopipe.dossier.project import Project
    from cytopipe.dossier.view import html

    project = Project.read(classifier)
    filled = fill(project)
    page = out / "dossier.html"
    write_text(page, html(project, filled))
    still_open = [item.key for one in filled for item in one.items if item.to_write]
    write_text(out / "questions.yaml", questions([one.checklist for one in filled], still_open))
    for one in filled:
        tally = ", ".join(f"{one.count(status)} {words}" for status, words in STATUSES.items())
        print(f"{one.checklist.name}: {tally}")
    print(page)
    if browser := find_browser():
        print_pdf(browser, page, out / "dossier.pdf")
        print(out / "dossier.pdf")
    else:
        print("no PDF: Chromium is not installed; print the page from any browser", file=sys.stderr)
    if still_open:
        print(f"{len(still_open)} items wait for the author: {out / 'questions.yaml'}")
