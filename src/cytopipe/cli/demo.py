"""`cytopipe demo`: a local web app that applies the models to your images."""

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
    typer.Option("--segmenter", metavar="DIR", help="Segmenter to use instead of the one in each classifier's folder."),
]
Port = Annotated[
    int | None, typer.Option("--port", min=1, max=65_535, help="Port; by default the first free one from 7860.")
]
Host = Annotated[str, typer.Option("--host", help="Address to serve on; only this machine is allowed.")]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open the app in the browser when it is ready.")]


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
    """Start a local web app that applies the models to your images.

    Drop the image of a cell, or choose one of the model's samples, to see its class, probabilities, masks and a heat
    map; for the image of a whole field, you get its cells, their counts and a table. The app serves this machine only,
    sends images to no other machine, and deletes the uploaded images when it stops.

    Needs gradio: pip install 'gradio>=6'. Stop it with Ctrl-C; the exit status is 0.

    \b
    Examples:
      cytopipe demo
      cytopipe demo --models models/classifiers/attention-masks --port 8000 --no-browser
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    with clear_errors(debug):
        require_local(host)

        from cytopipe.app.server import check_port, require_gradio, serve

        require_gradio()
        check_port(port)
        where = prepare(device, threads, models)

        from cytopipe.app.catalog import classifiers
        from cytopipe.app.detectors import detector_choices
        from cytopipe.app.project import Project
        from cytopipe.app.worker import Worker

        catalog = classifiers(models)
        detectors = detector_choices(catalog, models, segmenter)
        serve(catalog, Worker(where, threads, segmenter), detectors, Project(), port, browser)


def require_local(host: str) -> None:
    """Refuse to serve other machines, because the app has no password.

    Raises:
        CytopipeError: the address is not the loopback address.
    """
    from cytopipe.errors import CytopipeError

    if host not in (HOST, "localhost"):
        raise CytopipeError(
            f"the app serves this machine only, not '{host}'",
            where="--host",
            hint="it has no password; to use it from elsewhere, forward the port: ssh -L 7860:127.0.0.1:7860 MACHINE",
        )
