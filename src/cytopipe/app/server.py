"""Serve the page to this machine alone: no other address, no telemetry, nothing from elsewhere, nothing kept."""

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

from cytopipe.errors import CytopipeError

if TYPE_CHECKING:
    from cytopipe.app.catalog import Shelved
    from cytopipe.app.detectors import Choice
    from cytopipe.app.project import Project
    from cytopipe.app.worker import Worker

HOST = "127.0.0.1"
FIRST_PORT, PORTS = 7860, 100
MOST_MEGABYTES = 100  # of a file that is sent
STYLE = Path(__file__).parent / "templates/page.css"
SCRIPT = Path(__file__).parent / "templates/page.js"
# The browser itself refuses whatever would leave this machine. gradio's scripts are inline and compile templates.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)


def require_gradio() -> None:
    """Ask for the page's library before anything that takes time.

    Raises:
        CytopipeError: it is not installed.
    """
    if importlib.util.find_spec("gradio") is None:
        raise CytopipeError("the page needs gradio, which is not installed", hint="pip install 'gradio>=6'")


def refuse_taken(port: int | None) -> None:
    """Likewise for the port; None is any.

    Raises:
        CytopipeError: something listens on it, or only an administrator may.
    """
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((HOST, port or 0))
        except OSError as error:
            what = f"port {port} cannot be used ({error.strerror})"
            raise CytopipeError(what, where="--port", hint="name another: --port 7900") from None


def serve(
    catalog: Sequence[Shelved],
    worker: Worker,
    detectors: Sequence[Choice],
    project: Project,
    port: int | None,
    open_browser: bool,
) -> None:
    """Serve until interrupted; returns when the port is free again and what was sent is removed.

    Args:
        catalog: classifiers that can be chosen, at least one.
        worker: answers.
        detectors: of the cells of fields that can be chosen.
        project: in the current folder.
        port: to listen on; None takes the first free one from FIRST_PORT.
        open_browser: show the page when it is ready, where there is a screen.

    Raises:
        CytopipeError: the port, or every one that is tried, is taken.
    """
    with tempfile.TemporaryDirectory(prefix="cytopipe-page-") as folder, _until_interrupted():
        _set_switches(Path(folder))
        from cytopipe.app.interface import KEEP_SECONDS, Page

        worker.folder, worker.keep = Path(folder) / "fields", KEEP_SECONDS
        blocks = Page(catalog, worker, detectors, project).build()
        blocks.queue(default_concurrency_limit=1, max_size=32)
        try:
            _launch(blocks, port)
            print(f"the page is at {blocks.local_url} (end it with Ctrl-C)", flush=True)
            if open_browser and _has_screen():
                webbrowser.open(blocks.local_url)
            while True:
                time.sleep(3600)
        finally:
            _close(blocks)


def _set_switches(folder: Path) -> None:
    """Before gradio is imported: nothing in the environment may share the page or open folders of this machine."""
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": str(folder), "HF_HUB_OFFLINE": "1"}
    for name in ("NO_PROXY", "no_proxy"):  # gradio asks its own server whether it is there
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), HOST)))
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _launch(blocks: Any, port: int | None) -> None:
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
            max_file_size=f"{MOST_MEGABYTES}mb",
            theme=_theme(),
            css=STYLE.read_text(encoding="utf-8"),
            js=SCRIPT.read_text(encoding="utf-8"),
            app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None, "middleware": _middleware()},
        )
    except OSError:
        tried = f"port {port} is" if port else f"the ports {FIRST_PORT} to {FIRST_PORT + PORTS - 1} are"
        raise CytopipeError(f"{tried} taken", where="--port", hint="name another: --port 8100") from None


def _close(blocks: Any) -> None:
    """Free the port; pages that are open hold their connections for ever, and are not waited for."""
    if blocks.is_running:
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        blocks.server.config.timeout_graceful_shutdown = 1
        blocks.close(verbose=False)


def _theme() -> Any:
    """System fonts, so that none is fetched, and colours that stand out."""
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


def _middleware() -> list[Any]:
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    return [Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"]), Middleware(_Policy)]


class _Policy:
    """Sends POLICY with every answer."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        async def with_policy(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"content-security-policy", POLICY.encode())]
            await send(message)

        await self.app(scope, receive, with_policy)


@contextmanager
def _until_interrupted() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the block, quietly."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        print("the page is closed", file=sys.stderr)
    finally:
        signal.signal(signal.SIGTERM, before)


def _has_screen() -> bool:
    """Whether a browser can open a window: without one, a text browser would take over the terminal."""
    return not sys.platform.startswith("linux") or any(os.environ.get(one) for one in ("DISPLAY", "WAYLAND_DISPLAY"))
