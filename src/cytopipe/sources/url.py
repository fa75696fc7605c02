"""The source kind `url`: one file over HTTP, resumed where it broke off, checked against its SHA-256."""

from __future__ import annotations

import http.client
import logging
import time
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from cytopipe import __version__
from cytopipe.core.io.archive_formats import archive_format
from cytopipe.core.io.folders import Progress, copy_file
from cytopipe.core.io.left_out import LeftOut
from cytopipe.core.io.locks import StageLock
from cytopipe.core.io.unpacker import MAX_BYTES
from cytopipe.errors import CytopipeError
from cytopipe.sources.archive import fetch_archive
from cytopipe.sources.recipe import UrlRecipe, automatic_recipe, is_encrypted, use_archive

log = logging.getLogger(__name__)

ATTEMPTS = 4  # consecutive ones without new bytes
BACKOFF_SECONDS = 1.0  # doubles with every such attempt
TIMEOUT_SECONDS = 60.0
LOCK_SECONDS = 3600.0  # another dataset's stage may be downloading the same file
BLOCK = 1 << 16
PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
NETWORK_FAULTS = (URLError, http.client.HTTPException, ConnectionError, TimeoutError)


def fetch_url(path: Path, target: Path, *, dataset: str, cache: Path, progress: Progress | None = None) -> LeftOut:
    """Download the file of the recipe `path` and unpack it, or copy it if it is no archive, into `target`.

    Returns:
        The files that were left out.

    Raises:
        CytopipeError: when the recipe is faulty or manual, the server cannot be reached or refuses, the file
            is not the recipe's, and as `extract_archive`.
    """
    recipe = automatic_recipe(path, UrlRecipe, dataset)
    assert recipe.url is not None and recipe.sha256 is not None  # the recipe checks that
    name = recipe.filename or PurePosixPath(unquote(urlsplit(recipe.url).path)).name or "download"
    try:
        file = download(recipe.url, recipe.sha256, name, cache, progress)
    except CytopipeError as fault:
        by_hand = f"{fault.hint}; or get it by hand ({recipe.home}), {use_archive(dataset)}"
        raise CytopipeError(fault.what, where=path, hint=by_hand) from None
    if archive_format(file) is None:
        copy_file(file, target / name)
        return LeftOut()
    return fetch_archive(file, target, dataset=dataset, cache=cache, progress=progress, names=recipe.names)


def download(url: str, sha256: str, name: str, cache: Path, progress: Progress | None = None) -> Path:
    """Return the file behind `url`, from `cache` if it is there; a part that an earlier run left is continued.

    Args:
        url: http or https.
        sha256: of the file, 64 hexadecimal digits.
        name: of the file; the stored one begins with the hash, so that no two files share a name.
        cache: folder for finished (`HASH-NAME`) and unfinished (`HASH-NAME.part`) files.
        progress: called with the bytes done and, where the server says, the total.

    Raises:
        CytopipeError: when the server cannot be reached or refuses, or the file has another hash (it is
            removed).
    """
    import pooch  # here, because few stages need it

    cache.mkdir(parents=True, exist_ok=True)
    stored = f"{sha256[:12]}-{name}"
    getter = _Resuming(cache / f"{stored}.part", progress)
    with StageLock(cache / f"{stored}.lock", LOCK_SECONDS):
        while True:
            try:
                known = f"sha256:{sha256}"
                return Path(pooch.retrieve(url, known, fname=stored, path=cache, downloader=getter))
            except ValueError as fault:  # names both hashes
                if not getter.resumed:
                    raise CytopipeError(
                        f"{url} is not the file that the recipe names: {fault}",
                        hint="the publisher changed it, or something between you and the publisher did",
                    ) from None
                log.warning("%s: the parts do not fit together; starting over", name)


class RedirectRefusedError(Exception):
    """A server redirects to a URL that is not followed."""


class _Redirects(HTTPRedirectHandler):
    """Follows redirects to https only; those on this machine itself may stay on it."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        plain = req.full_url.startswith("http://")
        if not newurl.startswith("https://") and not (plain and is_encrypted(newurl)):
            raise RedirectRefusedError(f"{req.full_url} redirects to {newurl}, and only https is followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> OpenerDirector:
    """An opener without the handlers of file:, ftp: and data:, which `urlopen` has."""
    opener = OpenerDirector()
    handlers = ProxyHandler, HTTPHandler, HTTPSHandler, HTTPDefaultErrorHandler, HTTPErrorProcessor, _Redirects
    for handler in handlers:
        opener.add_handler(handler())  # type: ignore[abstract,unused-ignore]
    return opener


class _Resuming:
    """Downloader for pooch that continues `part`; tries again as long as the server brings something new."""

    def __init__(self, part: Path, progress: Progress | None) -> None:
        self.part, self.progress = part, progress
        self.resumed = False

    def __call__(self, url: str, output: str, manager: Any) -> None:
        self.resumed = self._size() > 0
        most, failures = self._size(), 0
        while True:
            try:
                self._get(url)
                break
            except RedirectRefusedError as refused:
                raise CytopipeError(str(refused), hint="name the URL of the file itself") from None
            except NETWORK_FAULTS as fault:
                failures = 0 if self._size() > most else failures + 1
                most = max(most, self._size())
                passing = not isinstance(fault, HTTPError) or fault.code in PASSING_STATUS
                if not passing or failures == ATTEMPTS:
                    raise _explain(url, fault) from None
                log.warning("%s: %s; trying again", url, fault)
                time.sleep(BACKOFF_SECONDS * 2.0 ** (failures - 1))
        self.part.replace(output)

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _get(self, url: str) -> None:
        """Ask once for what is missing and append it; start over when the server does not know ranges."""
        have = self._size()
        headers = {"User-Agent": f"cytopipe/{__version__}"} | ({"Range": f"bytes={have}-"} if have else {})
        try:
            response = _opener().open(Request(url, headers=headers), timeout=TIMEOUT_SECONDS)
        except HTTPError as fault:
            if fault.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            if fault.headers.get("Content-Range") == f"bytes */{have}":
                return  # the part is the whole
            self.part.unlink(missing_ok=True)
            raise ConnectionError("the part is longer than the file") from None
        with response:
            begins = 0
            if response.status == http.client.PARTIAL_CONTENT:
                begins = have
                if not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                    self.part.unlink(missing_ok=True)
                    raise ConnectionError("the server sent another part")
            self._append(response, begins)

    def _append(self, response: http.client.HTTPResponse, begins: int) -> None:
        length = response.headers.get("Content-Length")
        done, total = begins, begins + int(length) if length and length.isdecimal() else None
        with self.part.open("ab" if begins else "wb") as file:
            while block := response.read1(BLOCK):
                file.write(block)
                done += len(block)
                if done > MAX_BYTES:
                    raise CytopipeError(f"the file is larger than {MAX_BYTES:,} bytes", hint="see the publisher's page")
                if self.progress is not None:
                    self.progress(done, total)
        if total is not None and done < total:
            raise ConnectionError(f"the connection broke off after {done:,} of {total:,} bytes")


def _explain(url: str, fault: Exception) -> CytopipeError:
    host = urlsplit(url).hostname
    if isinstance(fault, HTTPError):
        return CytopipeError(f"{host} answers {fault.code} {fault.reason} to {url}", hint="try again later")
    reason = fault.reason if isinstance(fault, URLError) else fault
    return CytopipeError(f"{url} cannot be downloaded: {reason}", hint=f"check that this machine can reach {host}")
