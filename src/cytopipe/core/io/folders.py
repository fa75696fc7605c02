"""Folders: which files they hold, which of these are junk, and copying them."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from cytopipe.errors import CytopipeError

# Called with the bytes done so far and the total (None: not known).
Progress = Callable[[int, int | None], None]

_BLOCK = 1 << 30  # bytes that are copied at a time
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


def copy_file(source: Path, target: Path) -> None:
    """Copy the content of a file; where the file system can (Btrfs, XFS), both share their blocks until one changes."""
    if not hasattr(os, "copy_file_range"):
        shutil.copyfile(source, target)
        return
    try:
        with source.open("rb") as reader, target.open("wb") as writer:
            while os.copy_file_range(reader.fileno(), writer.fileno(), _BLOCK):
                pass
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        shutil.copyfile(source, target)  # these two file systems cannot


def copy_tree(
    folder: Path, target: Path, *, confined: bool = False, consume: bool = False, progress: Progress | None = None
) -> tuple[int, int]:
    """Copy the files of `folder` into the existing folder `target`; links become copies, junk stays behind.

    Args:
        folder: what to copy; `target` must not lie in it.
        target: where to.
        confined: refuse links that lead out of `folder`, for untrusted content.
        consume: move files instead of copying them; the caller removes `folder` afterwards.
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
    own = {name: (folder / name).resolve() == home / name for name in wanted}  # not through a link
    for name in sorted(wanted, key=lambda name: consume and own[name]):  # what links lead to is moved last
        if confined and not (folder / name).resolve().is_relative_to(home):
            raise CytopipeError(f"the link {name} leads out of the folder", where=folder)
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if consume and own[name]:
            shutil.move(folder / name, copy)
        else:
            copy_file(folder / name, copy)
        done += copy.stat().st_size
        if progress is not None:
            progress(done, total)
    return len(wanted), len(names) - len(wanted)
