"""Serve the app on the loopback address only, without telemetry and external resources, keeping no uploads."""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import socket
import sys
import tempfile
import time
import webbrowser
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from cytopipe.app.limits import UPLOAD_BYTES, UploadLimits
from cytopipe.errors import CytopipeError

if TYPE_CHECKING:
    from cytopipe.app.catalog import CatalogEntry
    from cytopipe.app.detectors import DetectorChoice
    from cytopipe.app.project import Project
    from cytopipe.app.worker import Worker

HOST = "127.0.0.1"
FIRST_PORT, PORTS = 7860, 100
STYLE = Path(__file__).parent / "templates/app.css"
SCRIPT = Path(__file__).parent / "templates/app.js"
# The browser blocks every request to another host. gradio needs inline scripts and eval for its templates.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)


def require_gradio() -> None:
    """Check that gradio is installed before any slow work.

    Raises:
        CytopipeError: gradio is not installed.
    """
    if importlib.util.find_spec("gradio") is None:
        raise CytopipeError("the app needs gradio, which is not installed", hint="pip install 'gradio>=6'")


def check_port(port: int | None) -> None:
    """Check that a port is free before any slow work.

    Raises:
        CytopipeError: the port is in use, or needs administrator rights.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port or 0))
        except OSError as error:
            what = f"port {port} cannot be used ({error.strerror})"
            raise CytopipeError(what, where="--port", hint="choose another: --port 7900") from None


def serve(
    catalog: Sequence[CatalogEntry],
    worker: Worker,
    detectors: Sequence[DetectorChoice],
    project: Project,
    port: int | None,
    open_browser: bool,
) -> None:
    """Serve until interrupted; return once the port is free again and all uploads are deleted.

    Args:
        catalog: the classifiers to select from, at least one.
        worker: runs the models.
        detectors: the cell detectors to select from.
        project: the project in the current folder.
        port: port to listen on; None takes the first free one, starting at FIRST_PORT.
        open_browser: open the app in a browser when it is ready, if there is a display.

    Raises:
        CytopipeError: the port, or every port tried, is in use.
    """
    with tempfile.TemporaryDirectory(prefix="cytopipe-app-") as folder, until_interrupted():
        _set_switches(Path(folder))
        from cytopipe.app.interface import KEEP_SECONDS, Interface

        worker.folder, worker.keep = Path(folder) / "fields", KEEP_SECONDS
        blocks = Interface(catalog, worker, detectors, project).build()
        blocks.queue(default_concurrency_limit=1, max_size=32)
        try:
            _launch(blocks, port, Path(folder))
            print(f"the app is running at {blocks.local_url} (stop it with Ctrl-C)", flush=True)
            if open_browser and has_display():
                webbrowser.open(str(blocks.local_url))
            while True:
                time.sleep(3600)
        finally:
            _close(blocks)


def _set_switches(folder: Path) -> None:
    """Set up the environment before gradio is imported: no sharing, no telemetry, no access to other folders."""
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": str(folder), "HF_HUB_OFFLINE": "1"}
    for name in ("NO_PROXY", "no_proxy"):  # gradio sends a request to its own server
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), HOST)))
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _launch(blocks: Any, port: int | None, folder: Path) -> None:
    try:
        blocks.launch(
            server_name=HOST,
            server_port=port,
            share=False,
            inbrowser=False,
            inline=False,
            prevent_thread_lock=True,
            quiet=True,
            show_error=False,
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            max_file_size=UPLOAD_BYTES,
            theme=_theme(),
            css=STYLE.read_text(encoding="utf-8"),
            js=SCRIPT.read_text(encoding="utf-8"),
            app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None, "middleware": _middleware(folder)},
        )
    except OSError:
        tried = f"port {port} is" if port else f"the ports {FIRST_PORT} to {FIRST_PORT + PORTS - 1} are"
        raise CytopipeError(f"{tried} in use", where="--port", hint="choose another: --port 8100") from None


def _close(blocks: Any) -> None:
    """Free the port without waiting for open browser tabs, which never close their connections."""
    if blocks.is_running:
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        blocks.server.config.timeout_graceful_shutdown = 1
        blocks.close(verbose=False)


def _theme() -> Any:
    """System fonts, so that none is downloaded, and colours of sufficient contrast."""
    import gradio as gr

    theme = gr.themes.Base(
        primary_hue="teal",
        neutral_hue="slate",
        text_size=gr.themes.sizes.text_lg,
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
    quiet, quiet_dark = "*neutral_600", "*neutral_300"
    return theme.set(
        body_text_color_subdued=quiet,
        body_text_color_subdued_dark=quiet_dark,
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        block_label_text_color=quiet,
        block_label_text_color_dark=quiet_dark,
        body_background_fill_dark="*neutral_900",
        border_color_primary="*neutral_300",
        border_color_primary_dark="*neutral_600",
    )


def _middleware(folder: Path) -> list[Any]:
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    return [
        Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"]),
        Middleware(ContentSecurityPolicy),
        Middleware(UploadLimits, folder=folder),
    ]


class ContentSecurityPolicy:
    """Middleware that adds a policy to the headers of every response."""

    def __init__(self, app: Any, policy: str = POLICY) -> None:
        self.app, self.policy = app, policy

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Pass a request on, and add the header to what comes back."""

        async def with_policy(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"content-security-policy", self.policy.encode())]
            await send(message)

        await self.app(scope, receive, with_policy)


@contextmanager
def until_interrupted() -> Iterator[None]:
    """Leave the block quietly on Ctrl-C and SIGTERM."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        print("the app has stopped", file=sys.stderr)
    finally:
        signal.signal(signal.SIGTERM, before)


def has_display() -> bool:
    """Whether a browser can open a window; without a display, a text browser would take over the terminal."""
    return not sys.platform.startswith("linux") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
