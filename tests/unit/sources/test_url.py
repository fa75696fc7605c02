"""Downloads from a local web server, with and without ranges, that can break off."""

from __future__ import annotations

import hashlib
import io
import random
import re
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from cytopipe.core.io.folders import list_files
from cytopipe.errors import CytopipeError
from cytopipe.sources import url
from cytopipe.sources.fetch import fetch

DATA = random.Random(0).randbytes(300_000)
SHA = hashlib.sha256(DATA).hexdigest()
STORED = f"{SHA[:12]}-cells.bin"


@dataclass
class Web:
    """What the server serves, how it behaves and which ranges it was asked for."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    breaks: list[int] = field(default_factory=list)  # bytes after which the next answers break off
    statuses: list[int] = field(default_factory=list)  # of the next answers
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[str | None] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    web: Web

    def do_GET(self) -> None:
        web = self.web
        web.asked.append(self.headers.get("Range"))
        data = web.files.get(self.path)
        if self.path in web.redirects:
            self.send_response(302)
            self.send_header("Location", web.redirects[self.path])
            self.end_headers()
            return
        status = web.statuses.pop(0) if web.statuses else 200 if data is not None else 404
        if status != 200 or data is None:
            self.send_error(status)
            return
        begin = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and web.ranges:
            begin = int(asked[1])
            if begin >= len(data):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(data)}")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        end = begin + web.breaks.pop(0) if web.breaks else len(data)
        self.wfile.write(data[begin:end])

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setattr(url, "BACKOFF_SECONDS", 0.001)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    state = Web()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"web": state}))
    state.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def get(web: Web, recipe: Callable[..., Path], target: Path, cache: Path) -> Callable[..., bytes]:
    """Fetch /cells.bin and return what arrived."""
    web.files["/cells.bin"] = DATA

    def run(**keys: object) -> bytes:
        path = recipe(**{"kind": "url", "url": f"{web.address}/cells.bin", "sha256": SHA} | keys)
        fetch(SimpleNamespace(kind="url", path=path), target, dataset="cells", cache=cache)
        return (target / "cells.bin").read_bytes()

    return run


def leave_part(cache: Path, data: bytes) -> None:
    cache.mkdir()
    (cache / f"{STORED}.part").write_bytes(data)


def kept(cache: Path) -> set[str]:
    return {name for name in list_files(cache) if not name.endswith(".lock")}


def test_a_file_that_is_no_archive_arrives_as_it_is(get: Callable[..., bytes], cache: Path) -> None:
    assert get() == DATA
    assert kept(cache) == {STORED}


def test_an_archive_is_unpacked(web: Web, recipe: Callable[..., Path], target: Path, cache: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr("cells/1.png", b"1")
    web.files["/get%20it?id=7"] = buffer.getvalue()
    sha = hashlib.sha256(buffer.getvalue()).hexdigest()
    path = recipe(kind="url", url=f"{web.address}/get%20it?id=7", sha256=sha)
    fetch(SimpleNamespace(kind="url", path=path), target, dataset="cells", cache=cache)
    assert list_files(target) == ["cells/1.png"]
    assert kept(cache) == {f"{sha[:12]}-get it"}


def test_a_second_run_asks_nobody(get: Callable[..., bytes], web: Web) -> None:
    get()
    assert get() == DATA
    assert len(web.asked) == 1


def test_a_damaged_file_in_the_cache_is_downloaded_again(get: Callable[..., bytes], web: Web, cache: Path) -> None:
    get()
    (cache / STORED).write_bytes(DATA[:-1] + b"?")
    assert get() == DATA
    assert len(web.asked) == 2


def test_a_broken_connection_is_continued_where_it_broke(get: Callable[..., bytes], web: Web) -> None:
    web.breaks = [100_000, 50_000]
    assert get() == DATA
    assert web.asked == [None, "bytes=100000-", "bytes=150000-"]


def test_a_part_of_an_earlier_run_is_continued(get: Callable[..., bytes], web: Web, cache: Path) -> None:
    leave_part(cache, DATA[:123_456])
    assert get() == DATA
    assert web.asked == ["bytes=123456-"]
    assert kept(cache) == {STORED}


def test_a_part_that_is_whole_is_taken(get: Callable[..., bytes], web: Web, cache: Path) -> None:
    leave_part(cache, DATA)
    assert get() == DATA
    assert web.asked == ["bytes=300000-"]


@pytest.mark.parametrize("part", [b"<html>log in</html>", DATA + b"more"], ids=["wrong", "too long"])
def test_a_part_that_does_not_fit_is_dropped(part: bytes, get: Callable[..., bytes], web: Web, cache: Path) -> None:
    leave_part(cache, part)
    assert get() == DATA
    assert web.asked == [f"bytes={len(part)}-", None]


def test_a_server_without_ranges_is_asked_for_all_again(get: Callable[..., bytes], web: Web) -> None:
    web.ranges, web.breaks = False, [200_000, 100_000]
    assert get() == DATA
    assert web.asked == [None, "bytes=200000-", "bytes=100000-"]


def test_passing_server_faults_are_tried_again(get: Callable[..., bytes], web: Web) -> None:
    web.statuses = [503, 429, 500]
    assert get() == DATA
    assert len(web.asked) == 4


def test_a_server_that_always_breaks_off_is_given_up_and_the_part_is_kept(
    get: Callable[..., bytes], web: Web, cache: Path
) -> None:
    web.breaks = [100_000] + [0] * 99
    with pytest.raises(CytopipeError, match="broke off after 100,000 of 300,000 bytes"):
        get()
    assert len(web.asked) == 5
    assert (cache / f"{STORED}.part").read_bytes() == DATA[:100_000]
    assert kept(cache) == {f"{STORED}.part"}


def test_a_refusal_is_final_and_says_how_to_go_on_by_hand(get: Callable[..., bytes], web: Web) -> None:
    web.statuses = [403]
    with pytest.raises(CytopipeError) as caught:
        get()
    assert len(web.asked) == 1
    assert "127.0.0.1 answers 403 Forbidden" in caught.value.what
    assert "https://example.org/cells" in str(caught.value)
    assert "cytopipe preset <preset> --archive FILE" in str(caught.value)


def test_another_file_is_refused_with_both_hashes_and_removed(get: Callable[..., bytes], web: Web, cache: Path) -> None:
    web.files["/cells.bin"] = b"something else"
    with pytest.raises(CytopipeError) as caught:
        get()
    assert SHA in caught.value.what
    assert hashlib.sha256(b"something else").hexdigest() in caught.value.what
    assert kept(cache) == set()


def test_no_connection_is_told_apart(get: Callable[..., bytes]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        port = unused.getsockname()[1]
        with pytest.raises(CytopipeError, match=r"cannot be downloaded: .*refused\n.*can reach 127\.0\.0\.1"):
            get(url=f"http://127.0.0.1:{port}/cells.bin")


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://example.org/x", "data:,x"])
def test_a_redirect_to_another_scheme_is_refused(web: Web, get: Callable[..., bytes], target: Path, to: str) -> None:
    web.redirects["/cells.bin"] = to
    with pytest.raises(CytopipeError, match=r"redirects to .*only https is followed|is not allowed") as caught:
        get()
    assert "root:" not in str(caught.value) and not list(target.iterdir())


def test_a_redirect_on_this_machine_is_followed(web: Web, get: Callable[..., bytes]) -> None:
    web.redirects["/old.bin"] = f"{web.address}/cells.bin"
    get(url=f"{web.address}/old.bin", filename="cells.bin")
