"""Masks that lie among the images, by their names: folders such as `masks/`, and files such as `cell_mask.png`.

They are no class and no image. What is taken for a mask has an image of its name beside it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from cytopipe.adapters.layout import words_of
from cytopipe.adapters.levels import listed
from cytopipe.errors import CytopipeError

_MASKS = frozenset(
    {"mask", "masks", "label", "labels", "annotation", "annotations", "annot", "annots", "gt", "gts", "groundtruth"}
    | {"seg", "segs", "segmentation", "segmentations", "contour", "contours", "maske", "masken"}
)
_IMAGES = frozenset(
    {"image", "images", "img", "imgs", "picture", "pictures", "photo", "photos", "original", "originals", "raw", "rgb"}
    | {"bild", "bilder", "he", "tissue", "input", "inputs"}
)
# What people add to an image's name for its mask, after it or before it.
_WORDS = r"(?:masks?|cp_masks|seg|segmentation|gt|ground[\W_]?truth|annotation|annot|labels?)"
MASK_ENDING = re.compile(rf"[\s_.-]+{_WORDS}(?:[\s_.-]*\d+)?$", re.IGNORECASE)
MASK_BEGINNING = re.compile(rf"^{_WORDS}[\s_.-]+", re.IGNORECASE)


@dataclass(frozen=True)
class Masks:
    """What is taken for masks.

    Attributes:
        folders: that hold masks, below the source, sorted.
        files: all masks: those in the folders, and those beside their images.
    """

    folders: tuple[PurePosixPath, ...]
    files: frozenset[PurePosixPath]


@cache
def is_mask_folder(name: str) -> bool:
    """Whether a folder is named as people name the folder of their masks: `masks`, `Ground Truth`, `cell_masks`."""
    words = words_of(name)
    return not _MASKS.isdisjoint(words) or "groundtruth" in "".join(words)


def stem_of_image(stem: str) -> str:
    """The stem of the image that a mask belongs to: `a_mask` -> `a`; another stem as it is."""
    return MASK_ENDING.sub("", stem) or stem


def find_masks(images: Sequence[PurePosixPath], where: Path, stated: bool = False) -> Masks:
    """The masks among some images.

    A folder of masks lies beside a folder `images`, or its files have the names of the images that it lies beside.

    Args:
        images: paths of all images below the folder `where`.
        where: for messages.
        stated: the user says what the folders are: nothing is refused, and a folder that may be a class is none of
            masks.

    Raises:
        CytopipeError: for a folder that may be one of masks or a class.
    """
    inside: dict[PurePosixPath, list[PurePosixPath]] = defaultdict(list)  # images of each folder that may hold masks
    plain: list[PurePosixPath] = []
    for image in images:
        folder = _mask_folder(image)
        (plain if folder is None else inside[folder]).append(image)
    stems = {image.stem.lower() for image in plain}
    neighbours = _neighbours(plain, {folder.parent for folder in inside})
    found: list[PurePosixPath] = []
    for folder, files in sorted(inside.items()):
        beside, is_direct = neighbours[folder.parent]
        if not beside and not is_direct:  # all folders here are named like masks: `label_0` and `label_1`
            continue
        paired = sum(image.stem.lower() in stems or stem_of_image(image.stem).lower() in stems for image in files)
        has_names = paired * 2 >= len(files)
        is_beside_images = any(not _IMAGES.isdisjoint(words_of(name)) for name in beside)
        if is_beside_images or (has_names and (is_direct or (len(beside) == 1 and not stated))):
            found.append(folder)
        elif not stated:
            raise CytopipeError(
                f"the folder '{folder}' beside {listed(sorted(beside))} is named like masks: is it a class?",
                where=where,
                hint=f"set options.masks: {folder} if it holds the masks of the images, or options.folders: class if "
                f"'{folder.name}' is a class",
            )
    masks = {image for folder in found for image in inside[folder]}
    return Masks(tuple(found), frozenset(masks | _mask_files(plain)))


def paired_names(images: Sequence[PurePosixPath]) -> tuple[str, int] | None:
    """What half of the images, or nearly, have behind the name of another image beside them, and how many.

    They are masks (`a-d.bmp` beside `a.bmp`) or changed copies. None where most names have no such partner.
    """
    stems: dict[PurePosixPath, set[str]] = defaultdict(set)
    for image in images:
        stems[image.parent].add(image.stem)
    ends: Counter[str] = Counter()
    for image in images:
        for place in range(len(image.stem) - 1, max(0, len(image.stem) - 12), -1):
            if not image.stem[place].isalnum() and image.stem[:place] in stems[image.parent]:
                ends[image.stem[place:]] += 1
                break
    if not ends:
        return None
    end, count = ends.most_common(1)[0]
    return (end, count) if count >= 0.45 * len(images) else None


def _mask_folder(image: PurePosixPath) -> PurePosixPath | None:
    """The first folder above an image that is named like masks."""
    for level, name in enumerate(image.parts[:-1]):
        if is_mask_folder(name):
            return PurePosixPath(*image.parts[: level + 1])
    return None


def _neighbours(
    images: Sequence[PurePosixPath], parents: Collection[PurePosixPath]
) -> dict[PurePosixPath, tuple[set[str], bool]]:
    """Of each parent folder the folders in it that hold images, and whether it holds any itself."""
    found: dict[PurePosixPath, tuple[set[str], bool]] = {parent: (set(), False) for parent in parents}
    depths = {len(parent.parts) for parent in parents}
    for image in images:
        for depth in depths:
            parent = PurePosixPath(*image.parts[:depth])
            if len(image.parts) <= depth or parent not in found:
                continue
            names, _ = found[parent]
            if len(image.parts) == depth + 1:
                found[parent] = (names, True)
            else:
                names.add(image.parts[depth])
    return found


def _mask_files(images: Sequence[PurePosixPath]) -> set[PurePosixPath]:
    """Files such as `a_mask.png` with an image `a` beside them."""
    stems: dict[PurePosixPath, set[str]] = defaultdict(set)
    for image in images:
        stems[image.parent].add(image.stem.lower())
    return {
        image
        for image in images
        if stem_of_image(image.stem) != image.stem and stem_of_image(image.stem).lower() in stems[image.parent]
    }
