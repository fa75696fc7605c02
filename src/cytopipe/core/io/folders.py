"""Folders: which files they hold, and copying them without litter."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from cytopipe.core.io.left_out import LeftOut
from cytopipe.core.io.litter import find_litter, litter_reason
from cytopipe.errors import CytopipeError

# Called with the bytes done so far and the total (None: not known).
Progress = Callable[[int, int | None], None]

_BLOCK = 1 << 30  # bytes that are copied at a time


def list_files(folder: Path) -> list[str]:
    """Relative POSIX paths of all files below `folder`, sorted; links to files and folders are followed.

    What litter holds (`.Trashes` on a memory card, `lost+found`) may be closed to the user: that is passed over.

    Raises:
        CytopipeError: for a folder that cannot be read, a link that leads nowhere or back to a folder above it, for
            special files, and for names that are no UTF-8.
    """
    folder, names = Path(folder), []

    def refuse(error: OSError) -> None:
        if litter_reason(os.path.relpath(error.filename, folder)) is None or Path(error.filename) == folder:
            refuse_folder(error)

    for root, folders, files in os.walk(folder, followlinks=True, onerror=refuse):
        here = Path(root)
        is_litter = litter_reason(here.relative_to(folder).as_posix()) is not None
        for name in folders:
            if (here / name).is_symlink() and here.resolve().is_relative_to((here / name).resolve()):
                raise CytopipeError("this link leads to a folder above it", where=here / name)
        for name in (*folders, *files):
            check_name(name, root)
        for name in files:
            if (here / name).is_file():
                names.append((here / name).relative_to(folder).as_posix())
            elif not is_litter and litter_reason(name) is None:
                kind = "a link that leads nowhere" if (here / name).is_symlink() else "not a regular file"
                raise CytopipeError(f"this is {kind}", where=here / name, hint="remove or replace it")
    return sorted(names)


def refuse_folder(error: OSError) -> None:
    """For `os.walk`, which passes over what it may not read without a word.

    Raises:
        CytopipeError: always.
    """
    raise CytopipeError(
        f"the folder cannot be read ({error.strerror})", where=error.filename, hint="correct its permissions"
    )


def check_name(name: str, folder: str) -> None:
    """Refuse a name whose bytes are no UTF-8, as old programs leave it: no table could hold it.

    Raises:
        CytopipeError: for such a name.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(name).decode("ascii", "backslashreplace")
        raise CytopipeError(
            f"the name '{shown}' is not in UTF-8",
            where=os.fsencode(folder).decode(errors="backslashreplace"),
            hint="rename it (convmv does so for whole folders)",
        ) from None


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
) -> tuple[int, LeftOut]:
    """Copy the files of `folder` into the existing folder `target`; links become copies, litter stays behind.

    Args:
        folder: what to copy; `target` must not lie in it.
        target: where to.
        confined: refuse links that lead out of `folder`, for untrusted content.
        consume: move files instead of copying them; the caller removes `folder` afterwards.
        progress: called after every file.

    Returns:
        The number of copied files, and those that were left out.

    Raises:
        CytopipeError: as `list_files`; when `target` lies in `folder`; for a link out of a confined folder.
    """
    home = folder.resolve()
    if target.resolve().is_relative_to(home):
        raise CytopipeError(f"this folder cannot be copied into itself ({target})", where=folder)
    names = list_files(folder)
    litter = find_litter(names)
    wanted = [name for name in names if name not in litter]
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
    return len(wanted), LeftOut.of(litter)
