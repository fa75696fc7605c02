"""Serve the page of `cytopipe review` on the loopback address until it is interrupted."""

from __future__ import annotations

import importlib.util
import socket
import tempfile
import webbrowser
from pathlib import Path

from cytopipe.app.review import ReviewPage
from cytopipe.app.server import FIRST_PORT, HOST, PORTS, has_display, until_interrupted
from cytopipe.errors import CytopipeError


def require_server() -> None:
    """Check that the web server is installed before any slow work.

    Raises:
        CytopipeError: it is not.
    """
    if any(importlib.util.find_spec(name) is None for name in ("starlette", "uvicorn")):
        raise CytopipeError("the page needs gradio's server, which is not installed", hint="pip install 'gradio>=6'")


def serve_review(page: ReviewPage, port: int | None, open_browser: bool) -> None:
    """Serve until interrupted.

    Args:
        page: answers the requests.
        port: port to listen on; None takes the first free one, starting at FIRST_PORT.
        open_browser: open the page in a browser, if there is a display.

    Raises:
        CytopipeError: the port, or every port tried, is in use.
    """
    import uvicorn

    with tempfile.TemporaryDirectory(prefix="cytopipe-review-") as folder, until_interrupted(), _listening(port) as own:
        config = uvicorn.Config(page.app(Path(folder)), log_level="critical", timeout_graceful_shutdown=1)
        url = f"http://{HOST}:{own.getsockname()[1]}/"
        print(f"the review is running at {url} (stop it with Ctrl-C)", flush=True)
        if open_browser and has_display():
            webbrowser.open(url)
        uvicorn.Server(config).run(sockets=[own])


def _listening(port: int | None) -> socket.socket:
    for number in [port] if port else range(FIRST_PORT, FIRST_PORT + PORTS):
        own = socket.socket()
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            own.bind((HOST, number))
            own.listen(64)
        except OSError:
            own.close()
            continue
        return own
    tried = f"port {port} is" if port else f"the ports {FIRST_PORT} to {FIRST_PORT + PORTS - 1} are"
    raise CytopipeError(f"{tried} in use", where="--port", hint="choose another: --port 8100")
