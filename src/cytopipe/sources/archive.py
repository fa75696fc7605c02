"""The source kind `archive`: an archive or a folder on this machine."""

from __future__ import annotations

from pathlib import Path

from cytopipe.core.io.archives import extract_archive
from cytopipe.core.io.folders import Progress, copy_tree
from cytopipe.core.io.left_out import LeftOut
from cytopipe.core.io.litter import UNFINISHED, litter_reason
from cytopipe.errors import CytopipeError


def fetch_archive(
    path: Path, target: Path, *, dataset: str, cache: Path, progress: Progress | None = None, names: str | None = None
) -> LeftOut:
    """Unpack the archive `path`, or copy the folder `path`, into `target`; `cache` is not used.

    Args:
        path: archive or folder.
        target: as in `fetch`.
        dataset: as in `fetch`.
        cache: as in `fetch`.
        progress: as in `fetch`.
        names: encoding of the names in a zip that does not say it.

    Returns:
        The files that were left out.

    Raises:
        CytopipeError: when the path is missing, and as `extract_archive` and `copy_tree`.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise CytopipeError(
            "no such file or folder",
            where=path,
            hint=f"correct datasets.{dataset}.source.path in params.yaml",
        )
    try:
        if path.is_dir():
            return copy_tree(path, target, progress=progress)[1]
        if litter_reason(path.name) == UNFINISHED:
            raise CytopipeError("this download was not finished", where=path, hint="download it again")
        return extract_archive(path, target, names=names, progress=progress)
    except PermissionError as error:
        raise CytopipeError(
            "there is no permission to read or write it", where=error.filename or path, hint="correct its permissions"
        ) from None
