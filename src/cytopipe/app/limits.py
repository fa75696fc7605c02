"""What one request, and all uploads together, may bring to the app: bytes and number, counted as they arrive."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from stat import S_ISREG
from typing import Any

from cytopipe.core.io.memory import GIB, MIB

UPLOAD_BYTES = 100 * MIB  # of a file
REQUEST_BYTES = UPLOAD_BYTES + MIB  # one file and its form
KEPT_BYTES = 2 * GIB  # of all files that wait in the app's folder
KEPT_FILES = 500
DRAINED_BYTES = GIB  # of a refused request, which are read and dropped so that the browser hears the answer
_TOO_LARGE = f"a request may bring {UPLOAD_BYTES // MIB} MB"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class _TooLargeError(Exception):
    """A request brings more than it may."""


class UploadLimits:
    """Middleware that answers 413 to a request above a limit, before more of it is stored.

    gradio bounds each file of a request, of which it takes a thousand; here the request is bounded as a whole.

    Args:
        app: what answers the other requests.
        folder: where uploads are stored until they are deleted.
    """

    def __init__(self, app: Any, folder: Path) -> None:
        self.app, self.folder = app, folder

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, counting its bytes."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"0")
        if not declared.isdigit() or len(declared) > 18 or int(declared) > REQUEST_BYTES:
            await _refuse(receive, send, _TOO_LARGE)
            return
        if b"multipart/" in headers.get(b"content-type", b"").lower() and self._full():
            await _refuse(
                receive, send, "too many files were uploaded; they are deleted after an hour, or when the app stops"
            )
            return
        await self._counted(scope, receive, send)

    async def _counted(self, scope: Message, receive: Receive, send: Send) -> None:
        taken, begun = 0, False

        async def count() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > REQUEST_BYTES:
                raise _TooLargeError
            return message

        async def note(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, count, note)
        except _TooLargeError:
            if not begun:
                await _refuse(receive, send, _TOO_LARGE)

    def _full(self) -> bool:
        files = size = 0
        for path in self.folder.rglob("*"):
            try:
                found = path.stat()
            except OSError:  # deleted meanwhile
                continue
            if S_ISREG(found.st_mode):
                files, size = files + 1, size + found.st_size
            if files >= KEPT_FILES or size >= KEPT_BYTES:
                return True
        return False


async def _refuse(receive: Receive, send: Send, why: str) -> None:
    taken, more = 0, True
    while more and taken < DRAINED_BYTES:
        message = await receive()
        taken += len(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)
    body = why.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 413, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})
