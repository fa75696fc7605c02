"""Where a dataset's files come from: the phantom generator, a local archive or folder, a URL, a git commit.

A dataset's `source` in params.yaml names a kind and a path. To add a kind, write its fetcher and add it to
`FETCHERS`.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Protocol

from cytopipe.core.io.folders import Progress, list_files
from cytopipe.core.io.hashing import sha256_file
from cytopipe.core.params import PhantomSource
from cytopipe.errors import CytopipeError
from cytopipe.sources.archive import fetch_archive
from cytopipe.sources.git import fetch_git
from cytopipe.sources.phantom import draw_phantoms
from cytopipe.sources.url import fetch_url


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

    def __call__(self, path: Path, target: Path, *, dataset: str, cache: Path, progress: Progress | None) -> None:
        """Fill the folder; see `fetch`."""


FETCHERS: dict[str, Fetcher] = {
    "archive": fetch_archive,
    "url": fetch_url,
    "git": fetch_git,
}


def fetch(
    source: Source, target: Path, *, dataset: str, cache: Path, progress: Progress | None = None, workers: int = 1
) -> None:
    """Fill `target` with the publisher's files, in the publisher's layout.

    Args:
        source: kind and path, from params.yaml.
        target: an existing empty folder that the caller removes when this raises.
        dataset: name in params.yaml, for messages.
        cache: folder that keeps downloads between runs.
        progress: called with the bytes done and, where known, the bytes in all.
        workers: number of processes that draw phantoms.

    Raises:
        CytopipeError: when the source is missing, damaged, unreachable, not what its recipe promises, empty,
            or needs a download by hand.
    """
    if isinstance(source, PhantomSource):
        draw_phantoms(source, target, dataset=dataset, progress=progress, workers=workers)
    else:
        FETCHERS[source.kind](source.path, target, dataset=dataset, cache=cache, progress=progress)
    if not list_files(target):
        raise CytopipeError("the source holds no files", where=f"datasets.{dataset}.source.path: {source.path}")


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
