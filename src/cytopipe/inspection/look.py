"""Looks at a folder or an archive: the tree, the images, masks, tables and other files, and what fits them."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from cytopipe.adapters.layout import images_of, list_paths
from cytopipe.adapters.registry import ADAPTERS
from cytopipe.core.io.folders import list_files
from cytopipe.core.params import ArchiveSource
from cytopipe.errors import CytopipeError
from cytopipe.inspection.columns import SUFFIXES, tables_of
from cytopipe.inspection.fit import fit, quiet
from cytopipe.inspection.masks import look_for_masks
from cytopipe.inspection.pictures import look_at_pictures
from cytopipe.inspection.seen import Seen
from cytopipe.sources.fetch import fetch

_DEEPEST, _MOST_FOLDERS = 4, 12  # of the tree that is shown
_PRESETS = {"annotated": "own-fields", "cell_background": "bethesda-paper"}  # of adapters that no preset is named after


def look(source: Path) -> Seen:
    """Look at a folder, which is only read, or at an archive, which is unpacked into a temporary folder.

    Raises:
        CytopipeError: there is nothing at this path, or the archive cannot be unpacked.
    """
    with _folder_of(source) as raw:
        with quiet():
            paths = list_paths(raw)
        junk = len(list_files(raw)) - len(paths)
        images = images_of(paths)
        masks, seen = look_for_masks(images, raw)
        plain = [image for image in images if image not in masks.files]
        tables = tables_of(raw, paths, plain)
        fitting, groups = fit(raw, paths, plain, seen, tables)
        pictures = look_at_pictures(raw, plain)
        known = {*images, *(path for path in paths if path.suffix.lower() in SUFFIXES)}
        odd = _odd([path for path in paths if path not in known])
        if junk:
            odd.append(("left by an operating system or a program", junk, ""))
        return Seen(
            str(source), _home(paths), len(paths) + junk, tuple(_tree(images)), pictures, seen, tuple(tables),
            tuple(groups), tuple(odd), fitting, tuple(_known(raw)),
        )  # fmt: skip


@contextmanager
def _folder_of(source: Path) -> Iterator[Path]:
    if not source.exists():
        raise CytopipeError("no such file or folder", where=source)
    if source.is_dir():
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="cytopipe-inspect-") as folder:
        raw = Path(folder) / "files"
        raw.mkdir()
        with quiet():
            fetch(ArchiveSource(kind="archive", path=source), raw, dataset="mine", cache=Path(folder))
        yield raw


def _known(raw: Path) -> Iterator[tuple[str, str]]:
    """The presets that read this, and what they take it for."""
    for name, adapter in sorted(ADAPTERS.items()):
        if name == "folder":
            continue
        try:
            with quiet():
                adapter.read(raw, {}, "options")
        except CytopipeError:
            continue
        yield _PRESETS.get(name, name), adapter.title


def _home(paths: Sequence[PurePosixPath]) -> str:
    """The folder that everything lies in, "." if there is none."""
    home = PurePosixPath()
    while paths and len({path.parts[: len(home.parts) + 1] for path in paths}) == 1:
        if len(paths[0].parts) <= len(home.parts) + 1:
            break
        home = PurePosixPath(*paths[0].parts[: len(home.parts) + 1])
    return home.as_posix()


def _tree(images: Sequence[PurePosixPath]) -> Iterator[str]:
    """A line for each folder that holds images, with their number, down to the fourth level."""
    below: Counter[PurePosixPath] = Counter()
    inner: dict[PurePosixPath, set[PurePosixPath]] = defaultdict(set)
    for image in images:
        for folder in image.parents:
            below[folder] += 1
            if folder.parts:
                inner[folder.parent].add(folder)

    def lines(folder: PurePosixPath, depth: int) -> Iterator[str]:
        folders = sorted(inner[folder])
        for one in folders[:_MOST_FOLDERS]:
            yield f"{'  ' * depth}{one.name}/  {below[one]} images"
            if depth + 1 < _DEEPEST:
                yield from lines(one, depth + 1)
        if len(folders) > _MOST_FOLDERS:
            rest = sum(below[one] for one in folders[_MOST_FOLDERS:])
            yield f"{'  ' * depth}... and {len(folders) - _MOST_FOLDERS} more folders, {rest} images"

    direct = sum(len(image.parts) == 1 for image in images)
    if direct:
        yield f"{direct} images in no folder"
    yield from lines(PurePosixPath(), 0)


def _odd(paths: Sequence[PurePosixPath]) -> list[tuple[str, int, str]]:
    """Files that are no images and no tables, by suffix."""
    kinds: dict[str, list[PurePosixPath]] = defaultdict(list)
    for path in paths:
        kinds[path.suffix.lower()].append(path)
    return [
        (f"not read: {suffix or 'no suffix'}", len(found), found[0].as_posix())
        for suffix, found in sorted(kinds.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
