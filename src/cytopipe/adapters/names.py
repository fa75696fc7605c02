"""Which file a name in a table means: the exact one, else the only one that it can mean."""

from __future__ import annotations

import difflib
import logging
import posixpath
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path, PurePosixPath

from cytopipe.adapters.alike import alike, shown
from cytopipe.data.imaging.formats import SUFFIXES
from cytopipe.errors import CytopipeError

logger = logging.getLogger("cytopipe")
Parts = tuple[str, ...]
Key = Callable[[str], Parts]

# Folders in which masks lie, not images.
_MASK_FOLDERS = frozenset(
    {"mask", "masks", "gt", "groundtruth", "truth", "annotation", "annotations", "label", "labels"}
    | {"seg", "segmentation", "segmentations", "labelmap", "labelmaps"}
)
# Of images, and of what microscopes write, which people convert.
_FOREIGN = "gif|jpe|jfif|jp2|jpx|ppm|pgm|pnm|heic|tga|dcm|czi|lif|lsm|nd2|oib|oif|svs|ndpi|scn|vsi|mrxs|vms"
_SUFFIX = re.compile(rf"\.(?:{'|'.join(suffix[1:] for suffix in SUFFIXES)}|{_FOREIGN})$", re.IGNORECASE)
_SPACE = re.compile(r"\s+(\.\w+)$")  # before a suffix
_WHOLE = re.compile(r"(\d+)\.0")  # how Excel and pandas write a number
_SAME_FORMAT = {".jpeg": ".jpg", ".jpe": ".jpg", ".jfif": ".jpg", ".tiff": ".tif"}


@lru_cache(maxsize=1 << 16)  # each file is asked for several times
def _written(name: str) -> Parts:
    """The parts of a path, either slash, composed, without spaces around."""
    path = posixpath.normpath(unicodedata.normalize("NFC", name.strip()).replace("\\", "/"))
    parts = [part.strip() for part in path.split("/")]
    parts[-1] = _SPACE.sub(r"\1", parts[-1])
    return tuple(part for part in parts if part not in ("", ".", ".."))


def _folded(name: str) -> Parts:
    """The same in any case and width, and with any number of spaces."""
    return tuple(" ".join(unicodedata.normalize("NFKC", part).casefold().split()) for part in _written(name))


def _unpadded(name: str) -> Parts:
    """The same without the zeros that begin a number, and without a suffix."""
    *folders, last = _folded(name) or ("",)
    last = _WHOLE.sub(r"\1", last) if _WHOLE.fullmatch(last) else _SUFFIX.sub("", last)
    return tuple(part.lstrip("0") or "0" if part.isdecimal() else part for part in (*folders, last))


def _without_suffix(key: Key) -> Key:
    def stem(name: str) -> Parts:
        parts = key(name)
        return (*parts[:-1], PurePosixPath(parts[-1]).stem) if parts else parts

    return stem


def _suffix(name: str) -> str:
    """The suffix of an image's name in lower case; empty where it has none."""
    found = _SUFFIX.search(name.strip())
    return _SAME_FORMAT.get(found[0].lower(), found[0].lower()) if found else ""


class ImageNames:
    """Finds the files that names in a table mean.

    A name that is a file's path, with or without its suffix, means that file. Else it means the only file that it can
    mean: under another Unicode form, slash, case or number of spaces; with fewer or more folders in front (one path
    must end in the other, and what the name has in front may not be another folder that is there); with or without the
    zeros before a number; and with another suffix where there is no file of the suffix that is written.

    Args:
        names: relative POSIX paths of the files.
        place: where they are, for errors.
        folders: names of further folders that are there, beside those of the files: a name that lies in one of these
            is not a file of another.
    """

    def __init__(self, names: Iterable[str], place: str | Path, folders: Iterable[str] = ()) -> None:
        self._names = sorted(names)
        self._known = frozenset(self._names)
        self._place = place
        own = (part for name in self._names for part in PurePosixPath(name).parts[:-1])
        self._folders = {part for name in {*own, *folders} for part in _folded(name)}
        self._suffixes = {_suffix(name) for name in self._names}
        self._indices: dict[Key, dict[str, list[tuple[Parts, str]]]] = {}
        self._how: dict[str, tuple[str, str]] = {}  # manner -> first name and file
        self._count: Counter[str] = Counter()

    def find(self, name: str, where: str) -> str | None:
        """The file that a name means; None if there is none.

        Args:
            name: as it is written.
            where: line of the table, for errors.

        Raises:
            CytopipeError: for a name that can mean several files, or nothing but what looks like a mask.
        """
        if name in self._known:
            return name
        candidates, how = self._candidates(name)
        if not candidates:
            return None
        if len(candidates) > 1:
            raise _ambiguous(name, candidates, where)
        self._refuse_masks(name, candidates[0], where)
        if how:
            self._how.setdefault(how, (name, candidates[0]))
            self._count[how] += 1
        return candidates[0]

    def near(self, name: str) -> list[str]:
        """Files whose names are the nearest to one that means none, the best first."""
        files: dict[str, list[str]] = defaultdict(list)
        for file in self._names:
            files[PurePosixPath(_folded(file)[-1]).stem].append(file)
        stem = _SUFFIX.sub("", (_folded(name) or ("",))[-1])
        return [file for near in difflib.get_close_matches(stem, files) for file in files[near]][:3]

    def log(self, table: Path) -> None:
        """Log how names that are not written as the files are were matched."""
        for how, count in self._count.items():
            name, file = self._how[how]
            level = logging.WARNING if how == _OTHER else logging.INFO
            logger.log(level, "%s: %d names are matched %s, first %s: %s", table, count, how, shown(name), shown(file))

    def _candidates(self, name: str) -> tuple[list[str], str]:
        for key, loose, how in _LEVELS:
            for of_file in (key, _STEMS[key]):
                if found := self._fitting(of_file, key(name), loose):
                    return found, how
        found = self._fitting(_unpadded, _unpadded(name), True)
        written = _suffix(name)
        if written in self._suffixes:  # such a file may be missing: another one of its name may be its mask
            found = [file for file in found if _suffix(file) == written]
        is_other = bool(written and found) and _suffix(found[0]) != written
        return found, _OTHER if is_other else _PADDED

    def _fitting(self, key: Key, parts: Parts, loose: bool) -> list[str]:
        """Files of the same parts; if loose, also those of which one path ends in the other."""
        if not parts:
            return []
        found = []
        for others, file in self._index(key).get(parts[-1], ()):
            shared = min(len(parts), len(others)) if loose else max(len(parts), len(others))
            dropped = parts[: -len(others)]
            is_elsewhere = bool(dropped) and not self._folders.isdisjoint(_folded(dropped[-1]))
            if parts[-shared:] == others[-shared:] and not is_elsewhere:
                found.append(file)
        return found

    def _index(self, key: Key) -> dict[str, list[tuple[Parts, str]]]:
        if key not in self._indices:
            index = self._indices[key] = defaultdict(list)
            for file in self._names:
                parts = key(file)
                index[parts[-1]].append((parts, file))
        return self._indices[key]

    def _refuse_masks(self, name: str, file: str, where: str) -> None:
        added = PurePosixPath(file).parts[: -len(_written(name))]
        if any(alike(part) in _MASK_FOLDERS for part in added):
            raise CytopipeError(
                f"{shown(name)} has no image in {self._place}; only {file} is called so, which looks like a mask",
                where=where,
                hint="correct the row, or write the file's folder too if it is the image",
            )


_PADDED = "but for zeros before a number"
_OTHER = "UNDER ANOTHER SUFFIX"
_LEVELS: tuple[tuple[Key, bool, str], ...] = (
    (_written, False, ""),
    (_written, True, "but for folders in front"),
    (_folded, True, "but for upper and lower case, width or spaces"),
)
_STEMS: dict[Key, Key] = {key: _without_suffix(key) for key in (_written, _folded)}


def _ambiguous(name: str, candidates: list[str], where: str) -> CytopipeError:
    named = " and ".join(map(shown, candidates[:3])) + (", ..." if len(candidates) > 3 else "")
    stems = {PurePosixPath(file).with_suffix("") for file in candidates}
    folders = {PurePosixPath(file).parent for file in candidates}
    if len(stems) == 1:
        suffix = PurePosixPath(candidates[0]).suffix
        hint = (
            "write the suffix in the table, or name the suffix of the images in options.suffix "
            f"(such as {suffix}); the other may be its mask"
        )
    elif len(folders) > 1:
        hint = "write the folder in the table too, or name the folder of the images in options.images"
    else:
        hint = "write the file's exact name"
    return CytopipeError(f"{shown(name)} can mean {len(candidates)} images: {named}", where=where, hint=hint)
