"""Folders: which files they hold, which of these are junk, and copying them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from cytopipe.errors import CytopipeError

# Called with the bytes done so far and the total (None: not known).
Progress = Callable[[int, int | None], None]

JUNK = frozenset({"__MACOSX", ".DS_Store", "Thumbs.db", ".git"})


def is_junk(path: str | PurePosixPath) -> bool:
    """Whether a relative path is what an operating system or git left, not the publisher's data."""
    parts = PurePosixPath(path).parts
    return not JUNK.isdisjoint(parts) or any(part.startswith("._") for part in parts)


def list_files(folder: Path) -> list[str]:
    """Relative POSIX paths of all files below `folder`, sorted; links to files and folders are followed.

    Raises:
        CytopipeError: for a link that leads nowhere or back to a folder above it, and for special files.
    """
    folder, names = Path(folder), []
    for root, folders, files in os.walk(folder, followlinks=True):
        here = Path(root)
        for name in folders:
            if (here / name).is_symlink() and here.resolve().is_relative_to((here / name).resolve()):
                raise CytopipeError("this link leads to a folder above it", where=here / name)
        for name in files:
            if not (here / name).is_file():
                kind = "a link that leads nowhere" if (here / name).is_symlink() else "not a regular file"
                raise CytopipeError(f"this is {kind}", where=here / name, hint="remove or replace it")
            names.append((here / name).relative_to(folder).as_posix())
    return sorted(names)


def copy_tree(
    folder: Path, target: Path, *, confined: bool = False, progress: Progress | None = None
) -> tuple[int, int]:
    """Copy the files of `folder` into the existing folder `target`; links become copies, junk stays behind.

    Args:
        folder: what to copy; `target` must not lie in it.
        target: where to.
        confined: refuse links that lead out of `folder`, for untrusted content.
        progress: called after every file.

    Returns:
        The numbers of copied and of skipped files.

    Raises:
        CytopipeError: as `list_files`; when `target` lies in `folder`; for a link out of a confined folder.
    """
    home = folder.resolve()
    if target.resolve().is_relative_to(home):
        raise CytopipeError(f"this folder cannot be copied into itself ({target})", where=folder)
    names = list_files(folder)
    wanted = [name for name in names if not is_junk(name)]
    total, done = sum((folder / name).stat().st_size for name in wanted), 0
    for name in wanted:
        if confined and not (folder / name).resolve().is_relative_to(home):
            raise CytopipeError(f"the link {name} leads out of the folder", where=folder)
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / name, copy)
        done += copy.stat().st_size
        if progress is not None:
            progress(done, total)
    return len(wanted), len(names) - len(wanted)
