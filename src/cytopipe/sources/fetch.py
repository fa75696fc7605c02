"""Where a dataset's files come from: the phantom generator, a local archive or folder, a URL, a git commit.

A dataset's `source` in params.yaml names a kind and a path. To add a kind, write its fetcher and add it to
`FETCHERS`.
"""

from __future__ import annotations

import csv
import logging
from functools import partial
from pathlib import Path
from typing import Protocol

from cytopipe.core.io.folders import Progress, list_files
from cytopipe.core.io.hashing import sha256_file
from cytopipe.core.io.left_out import LeftOut
from cytopipe.core.io.litter import LOUD
from cytopipe.core.params import ArchiveSource, PhantomSource
from cytopipe.errors import CytopipeError
from cytopipe.sources.archive import fetch_archive
from cytopipe.sources.git import fetch_git
from cytopipe.sources.phantom import draw_phantoms
from cytopipe.sources.url import fetch_url

logger = logging.getLogger("cytopipe")


class Source(Protocol):
    """The part of a `source` section of params.yaml that `fetch` needs."""

    @property
    def kind(self) -> str:
        """Name of a fetcher."""

    @property
    def path(self) -> Path:
        """Archive, folder or recipe."""


class Fetcher(Protocol):
    """Fills the empty folder `target` from the archive, folder or recipe at `path`."""

    def __call__(self, path: Path, target: Path, *, dataset: str, cache: Path, progress: Progress | None) -> LeftOut:
        """Fill the folder; see `fetch`."""


FETCHERS: dict[str, Fetcher] = {
    "archive": fetch_archive,
    "url": fetch_url,
    "git": fetch_git,
}


def fetch(
    source: Source, target: Path, *, dataset: str, cache: Path, progress: Progress | None = None, workers: int = 1
) -> LeftOut:
    """Fill `target` with the publisher's files, in the publisher's layout.

    Args:
        source: kind and path, from params.yaml.
        target: an existing empty folder that the caller removes when this raises.
        dataset: name in params.yaml, for messages.
        cache: folder that keeps downloads between runs.
        progress: called with the bytes done and, where known, the bytes in all.
        workers: number of processes that draw phantoms.

    Returns:
        The files of the source that are not in `target`, by the reason why: litter of operating systems and programs.

    Raises:
        CytopipeError: when the source is missing, damaged, unreachable, not what its recipe promises, empty,
            or needs a download by hand.
    """
    if isinstance(source, PhantomSource):
        draw_phantoms(source, target, dataset=dataset, progress=progress, workers=workers)
        left_out = LeftOut()
    else:
        fetcher = FETCHERS[source.kind]
        if isinstance(source, ArchiveSource):
            fetcher = partial(fetch_archive, names=source.names)
        left_out = fetcher(source.path, target, dataset=dataset, cache=cache, progress=progress)
    if not list_files(target):
        but = f" but these, which are left out: {left_out}" if left_out else ""
        raise CytopipeError(f"the source holds no files{but}", where=f"datasets.{dataset}.source.path: {source.path}")
    if left_out:
        level = logging.WARNING if left_out.holds(LOUD) else logging.INFO
        logger.log(level, "%s: left out of the source: %s", dataset, left_out)
    return left_out


def write_raw_manifest(path: Path, files: Path) -> int:
    """List every file below `files`, sorted by path: path, bytes, sha256.

    Returns:
        The number of files.

    Raises:
        CytopipeError: when there is none.
    """
    names = list_files(files)
    if not names:
        raise CytopipeError("the source holds no files", where=files)
    with path.open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(("path", "bytes", "sha256"))
        writer.writerows((name, (files / name).stat().st_size, sha256_file(files / name)) for name in names)
    return len(names)
