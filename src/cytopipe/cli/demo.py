"""`cytopipe demo`: a local page that shows what the models say of an image."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from cytopipe.cli.common import Debug, Device, Threads, clear_errors, prepare

MODELS = Path("models/classifiers")
HOST = "127.0.0.1"

Models = Annotated[Path, typer.Option("--models", metavar="DIR", help="A folder of classifiers, or the folder of one.")]
Segmenter = Annotated[
    Path | None,
    typer.Option("--segmenter", metavar="DIR", help="Masks images in place of each classifier's own segmenter."),
]
Port = Annotated[int | None, typer.Option("--port", min=1, max=65_535, help="By default the first free one from 7860.")]
Host = Annotated[str, typer.Option("--host", help="This machine is the only one that is served.")]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page when it is ready.")]


def command(
    models: Models = MODELS,
    segmenter: Segmenter = None,
    port: Port = None,
    host: Host = HOST,
    browser: Browser = True,
    device: Device = "auto",
    threads: Threads = None,
    debug: Debug = False,
) -> None:
    """Show a page, on this machine alone, that says what the models say of an image.

    Drop the image of a cell, or pick one of the samples that came with the model: class, probabilities, masks and a
    heat map appear; of a whole field its cells, their counts and a table. Images are sent to no other machine, and
    copies of those that were dropped are removed when the page is closed.

    Needs gradio: pip install 'gradio>=6'. It ends with Ctrl-C and exit status 0.

    \b
    Examples:
      cytopipe demo
      cytopipe demo --models models/classifiers/attention-masks --port 8000 --no-browser
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    with clear_errors(debug):
        refuse_others(host)

        from cytopipe.app.server import refuse_taken, require_gradio, serve

        require_gradio()
        refuse_taken(port)
        where = prepare(device, threads)

        from cytopipe.app.catalog import classifiers
        from cytopipe.app.detectors import choices
        from cytopipe.app.project import Project
        from cytopipe.app.worker import Worker

        catalog = classifiers(models)
        detectors = choices(catalog, models, segmenter)
        serve(catalog, Worker(where, threads, segmenter), detectors, Project(), port, browser)


def refuse_others(host: str) -> None:
    """The page has no password: no other machine may reach it.

    Raises:
        CytopipeError: for any address but this machine's own.
    """
    from cytopipe.errors import CytopipeError

    if host not in (HOST, "localhost"):
        raise CytopipeError(
            f"the page is served to this machine alone, not on '{host}'",
            where="--host",
            hint="it has no password; to see it from elsewhere, forward the port: ssh -L 7860:127.0.0.1:7860 MACHINE",
        )
