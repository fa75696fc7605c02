"""Litter: files that operating systems, network drives and programs leave beside a publisher's data.

Each kind has a reason in words, under which it is counted: a file is never left out without a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

HIDDEN = "hidden files and folders (their names begin with a dot)"
THUMBNAILS = "thumbnails of images that are there themselves"
UNFINISHED = "downloads that were not finished"
CLOUD = "files that are in a cloud alone, not on this computer"
# Kinds that may stand for data which the user misses.
LOUD = frozenset({UNFINISHED, CLOUD})

# Reason: whole names of files or folders, in lower case.
_NAMES = {
    "litter of macOS": (
        *("__macosx", ".ds_store", ".spotlight-v100", ".trashes", ".trash", ".fseventsd", ".temporaryitems"),
        *(".documentrevisions-v100", ".appledouble", ".localized", ".volumeicon.icns", "icon\r"),
    ),
    "litter of Windows": (
        *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "$recycle.bin", "recycler"),
        *("system volume information", "picasa.ini", ".picasa.ini", "zbthumbnail.info"),
    ),
    "litter of a network drive": (
        *(
            "@eadir",
            "#recycle",
            "#snapshot",
            "@tmp",
            "@recycle",
            ".@__thumb",
            "@__thumb",
            ".@upload_cache",
            ".snapshot",
        ),
        "lost+found",
    ),
    "litter of Jupyter": (".ipynb_checkpoints",),
    "files of git": (".git", ".gitattributes", ".gitignore", ".gitmodules", ".gitkeep"),
}
_REASONS = {name: reason for reason, names in _NAMES.items() for name in names}
# Reason: a pattern of a file's or folder's whole name, in lower case; the first that fits counts.
_PATTERNS = (
    ("litter of macOS", re.compile(r"\._.*")),
    (CLOUD, re.compile(r"\..+\.icloud")),
    ("litter of a network drive", re.compile(r"(synophoto_thumb|synofile_thumb|synoindex_).*|\.nfs[0-9a-f]{8,}")),
    ("locks and backups of editors", re.compile(r"\.~lock\..*#")),
    (HIDDEN, re.compile(r"\..+")),
)
# The same of a file alone: a folder that ends like a backup may well hold data.
_FILE_PATTERNS = (
    ("locks and backups of editors", re.compile(r"~\$.*|.*~|#.*#|.*\.(bak|orig|swp|swo|tmp)")),
    (UNFINISHED, re.compile(r".+\.(crdownload|part|partial|download|opdownload|filepart|aria2|!ut|!qb)")),
)
_THUMBNAIL_FOLDERS = frozenset({"thumbs", "thumbnails", "thumb", "_thumbs", "_thumbnails"})


def litter_reason(path: str | PurePosixPath) -> str | None:
    """Why a relative path is no data of the publisher's, by the names of its file and folders; None if it is."""
    *folders, name = PurePosixPath(path).parts or ("",)
    for part in (*folders, name):
        if reason := _part_reason(part.lower()):
            return reason
    return next((reason for reason, pattern in _FILE_PATTERNS if pattern.fullmatch(name.lower())), None)


def is_junk(path: str | PurePosixPath) -> bool:
    """Whether a relative path is litter."""
    return litter_reason(path) is not None


def find_litter(names: Sequence[str]) -> dict[str, str]:
    """The litter among all relative paths of a folder, and why each is litter.

    Thumbnails are known by the whole: a folder of that name is left out where the images themselves are beside it.
    """
    found = {name: reason for name in names if (reason := litter_reason(name))}
    rest = [path for path in map(PurePosixPath, names) if str(path) not in found]
    thumbnails = [path for path in rest if path.parent.name.lower() in _THUMBNAIL_FOLDERS]
    if thumbnails:
        stems = {(path.parent, path.stem.lower()) for path in rest}
        for path in thumbnails:
            if (path.parent.parent, path.stem.lower()) in stems:
                found[str(path)] = THUMBNAILS
    return found


def without_litter(names: Sequence[str]) -> list[str]:
    """The relative paths that are no litter, in their order."""
    found = find_litter(names)
    return [name for name in names if name not in found]


def conflicting_copies(names: Iterable[str]) -> list[str]:
    """Those files that a synchronising program renamed because two people had changed them."""
    said = (
        r"conflicted copy|in konflikt|konfliktkopie|copie en conflit|copia en conflicto|\.sync-conflict-\d|\[conflict"
    )
    pattern = re.compile(said, re.IGNORECASE)
    return [name for name in names if pattern.search(PurePosixPath(name).name)]


def _part_reason(name: str) -> str | None:
    if name in _REASONS:
        return _REASONS[name]
    return next((reason for reason, pattern in _PATTERNS if pattern.fullmatch(name)), None)
