"""Why a file is not read as an image, in words under which such files are counted."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from cytopipe.core.io.archive_formats import is_archive_name
from cytopipe.core.io.left_out import LeftOut
from cytopipe.core.io.litter import LOUD
from cytopipe.data.imaging.formats import UNREAD_SUFFIXES, has_image_content, is_image_name, is_lfs_pointer

UNUSED = "images outside the layout that is read, or without a row in the table"
NO_SUFFIX = "images whose names do not end like an image's: rename them to read them"
ARCHIVES = "archives inside the source: unpack them to read them"
POINTERS = "pointers of Git LFS"
EMPTY = "empty files"
_UNREAD = "files of a format that is not read"
_SUFFIX = re.compile(r"\.[a-z][a-z0-9_-]{0,9}")


def why_unread(path: Path) -> str:
    """The reason why nothing reads a regular file that is no litter."""
    suffix = PurePosixPath(path.name.lower()).suffix
    if is_image_name(path.name):
        return UNUSED
    if path.stat().st_size == 0:
        return EMPTY
    if is_archive_name(path.name):
        return ARCHIVES
    if suffix in UNREAD_SUFFIXES:
        return f"{_UNREAD} ({suffix})"
    if is_lfs_pointer(path):
        return POINTERS
    if has_image_content(path):
        return NO_SUFFIX
    return f"files ending in {suffix}" if _SUFFIX.fullmatch(suffix) else "other files"


def may_be_missed(left_out: LeftOut) -> bool:
    """Whether files were left out that may be images which the user misses."""
    return left_out.holds((*LOUD, UNUSED, NO_SUFFIX, ARCHIVES, POINTERS)) or any(
        reason.startswith(_UNREAD) for reason in left_out.counts
    )
