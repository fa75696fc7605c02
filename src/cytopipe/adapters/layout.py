"""Finding a publisher's images: one walk through the raw folder, then the folders of the classes and of the splits."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from cytopipe.core.io.folders import list_files
from cytopipe.core.io.litter import without_litter
from cytopipe.data.imaging.formats import is_image_name
from cytopipe.errors import CytopipeError

logger = logging.getLogger("cytopipe")

# The usual words for the splits, in lower case; `tra` and `tes` are those of HEp-2's public repository.
SPLIT_WORDS = {
    "train": "train", "training": "train", "tra": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test", "tes": "test",
}  # fmt: skip


def _has_a_parenthesis(pattern: str) -> str:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise PydanticCustomError("pattern", f"not a regular expression: {error}") from None
    if not groups:
        raise PydanticCustomError("pattern", "put parentheses around the part that names the group")
    return pattern


GroupPattern = Annotated[str, AfterValidator(_has_a_parenthesis)]


def group_by_pattern(name: str, pattern: str) -> str:
    """The group that the first parenthesis of `pattern` finds in an image's name.

    Raises:
        CytopipeError: where it finds none.
    """
    match = re.search(pattern, name)
    if not match or not match[1]:
        raise CytopipeError(f"{pattern!r} finds no group in '{name}'", where="options.group_pattern")
    return match[1]


@dataclass(frozen=True)
class ClassFolder:
    """The images of one class (and split), which are named after the folder that they lie in.

    Attributes:
        folder: path below the raw folder.
        label: class name.
        split: "train", "val" or "test" where the folder lies in one of a split, else None.
        images: file names, sorted.
    """

    folder: PurePosixPath
    label: str
    split: str | None
    images: tuple[str, ...]


def list_paths(raw: Path) -> list[PurePosixPath]:
    """Paths of all files below `raw`, sorted, without litter (`organize` counts it)."""
    return [PurePosixPath(name) for name in without_litter(list_files(raw))]


def images_of(paths: Iterable[PurePosixPath]) -> list[PurePosixPath]:
    """The images among some paths, by their suffixes."""
    return [path for path in paths if is_image_name(path.name)]


def list_images(raw: Path) -> list[PurePosixPath]:
    """Paths of all images below `raw`, as `list_paths`."""
    return images_of(list_paths(raw))


def by_folder(images: Sequence[PurePosixPath]) -> dict[PurePosixPath, list[str]]:
    """File names of each folder, those of a folder nearer to the root first."""
    found: dict[PurePosixPath, list[str]] = defaultdict(list)
    for image in images:
        found[image.parent].append(image.name)
    return {folder: found[folder] for folder in sorted(found, key=lambda folder: (len(folder.parts), folder))}


def class_folders(raw: Path, images: Sequence[PurePosixPath], labels: Mapping[str, str]) -> list[ClassFolder]:
    """The folders that are named after classes, in upper or lower case and at any depth.

    Archives often add roots of their own, and some hold a second copy of themselves (`cell_images/cell_images/`): a
    folder whose every file lies in one of the same name nearer to the root is left out, and that is logged.

    Args:
        raw: the dataset's files, for messages.
        images: as `list_images` gives them.
        labels: name of a folder in lower case -> class.

    Raises:
        CytopipeError: for two folders of one class and split that are no copies of each other.
    """
    kept: dict[tuple[str, str | None], ClassFolder] = {}
    for folder, names in by_folder(images).items():
        word = folder.name.lower()
        if word not in labels:
            continue
        found = ClassFolder(folder, labels[word], SPLIT_WORDS.get(folder.parent.name.lower()), tuple(sorted(names)))
        first = kept.setdefault((word, found.split), found)
        if first is not found:
            if not set(names) <= set(first.images):
                raise CytopipeError(
                    f"two folders hold images of the class '{found.label}': {first.folder} and {folder}",
                    where=raw,
                    hint="keep one of them, or put the images of both into one",
                )
            logger.warning("%s: left out '%s', a second copy of '%s'", raw, folder, first.folder)
    return list(kept.values())


def missing_classes(folders: Collection[ClassFolder], classes: Sequence[str]) -> str | None:
    """A message that names the classes without a folder; None if every class has one, or none has."""
    missing = [label for label in classes if label not in {found.label for found in folders}]
    if not missing or not folders:
        return None
    return f"no folder of the class {', '.join(map(repr, missing))} beside '{next(iter(folders)).folder}'"


def safe_id(*parts: str) -> str:
    """An id that can name a file: parts joined by `_`, other characters than letters, digits, `.`, `-` by one `_`."""
    return "_".join(re.sub(r"_*[^\w.-]+_*", "_", part).strip("_") for part in parts)
