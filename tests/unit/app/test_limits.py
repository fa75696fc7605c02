"""Limits of uploads, told to the middleware as a server would."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cytopipe.app import limits
from cytopipe.app.limits import UploadLimits

Message = MutableMapping[str, Any]
FORM = (b"content-type", b"Multipart/form-data; boundary=x")


def answer(folder: Path, blocks: list[bytes], *headers: tuple[bytes, bytes], method: str = "POST") -> tuple[int, int]:
    """Status of the answer, and the bytes that reached the app behind the limits."""
    reached = 0
    sent: list[Message] = []
    waiting = list(blocks)

    async def receive() -> Message:
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message: Message) -> None:
        sent.append(message)

    async def app(scope: Message, receive: Any, send: Any) -> None:
        nonlocal reached
        more = True
        while more:
            message = await receive()
            reached += len(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})

    scope = {"type": "http", "method": method, "headers": list(headers)}
    with ThreadPoolExecutor(1) as alone:  # a browser that other tests drive has a loop in this thread
        alone.submit(asyncio.run, UploadLimits(app, folder)(scope, receive, send)).result()
    assert not waiting  # the browser is heard out, or it would not hear the answer
    return sent[0]["status"], reached


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REQUEST_BYTES", 100)
    monkeypatch.setattr(limits, "KEPT_BYTES", 1000)
    monkeypatch.setattr(limits, "KEPT_FILES", 3)


def test_a_request_within_the_limits_passes(tmp_path: Path) -> None:
    assert answer(tmp_path, [b"x" * 60, b"x" * 40], FORM, (b"content-length", b"100")) == (200, 100)


def test_one_that_says_it_is_larger_is_refused_before_it_is_read(tmp_path: Path) -> None:
    for said in (b"101", b"-1", b"many", b"9" * 5000):
        assert answer(tmp_path, [b"x" * 60, b"x" * 41], FORM, (b"content-length", said)) == (413, 0)


def test_one_that_says_nothing_is_cut_off(tmp_path: Path) -> None:
    assert answer(tmp_path, [b"x" * 60, b"x" * 60, b"x" * 60], FORM) == (413, 60)


def test_files_and_bytes_that_wait_are_bounded_and_pages_are_not(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("a/1", "a/2"):
        (tmp_path / name).write_bytes(b"x")
    assert answer(tmp_path, [b"x"], FORM) == (200, 1)
    (tmp_path / "a/3").write_bytes(b"x")
    assert answer(tmp_path, [b"x"], FORM) == (413, 0)
    assert answer(tmp_path, [b"x"], (b"content-type", b"application/json")) == (200, 1)
    assert answer(tmp_path, [b""], method="GET") == (200, 0)
    (tmp_path / "a/3").unlink()
    (tmp_path / "a/2").write_bytes(bytes(2000))
    assert answer(tmp_path, [b"x"], FORM) == (413, 0)
