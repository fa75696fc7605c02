"""The source kind `archive`: an archive or a folder on this machine."""

from __future__ import annotations

import logging
from pathlib import Path

from cytopipe.core.io.archives import extract_archive
from cytopipe.core.io.folders import Progress, copy_tree
from cytopipe.errors import CytopipeError

log = logging.getLogger(__name__)


def fetch_archive(path: Path, target: Path, *, dataset: str, cache: Path, progress: Progress | None = None) -> None:
    """Unpack the archive `path`, or copy the folder `path`, into `target`; `cache` is not used.

    Raises:
        CytopipeError: when `path` is missing, and as `extract_archive` and `copy_tree`.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise CytopipeError(
            "no such file or folder",
            where=path,
            hint=f"correct datasets.{dataset}.source.path in params.yaml",
        )
    if path.is_dir():
        _, skipped = copy_tree(path, target, progress=progress)
    else:
        skipped = extract_archive(path, target, progress=progress)
    if skipped:
        log.info("%s: skipped %d junk files (.DS_Store, Thumbs.db, __MACOSX, ...)", path, skipped)
