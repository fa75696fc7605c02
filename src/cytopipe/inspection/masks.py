"""Masks as they lie among images, and the options by which the adapter `folder` reads them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from cytopipe.adapters.mask_names import Masks as MaskFiles
from cytopipe.adapters.mask_names import find_masks, stem_of_image
from cytopipe.errors import CytopipeError
from cytopipe.inspection.pictures import is_flat, values_of_masks
from cytopipe.inspection.seen import Masks

_MEANINGS: dict[tuple[int, ...], dict[int, int]] = {
    (0, 1): {},
    (0, 2): {},
    (0, 1, 2): {},
    (0, 255): {0: 0, 255: 1},
    (0, 128, 255): {0: 0, 128: 1, 255: 2},
    (0, 127, 255): {0: 0, 127: 1, 255: 2},
}


def look_for_masks(images: Sequence[PurePosixPath], raw: Path) -> tuple[MaskFiles, Masks]:
    """The masks among the images, and what is seen of them.

    A folder that may be a class is none, and the fit says that it is unclear.
    """
    try:
        found = find_masks(images, raw)
    except CytopipeError:
        found = find_masks(images, raw, stated=True)
    suffixes = None
    if not found.files and (suffixes := _twins(images, raw)):
        found = MaskFiles((), frozenset(image for image in images if image.suffix.lower() == suffixes[1]))
    values = values_of_masks(raw, sorted(found.files))
    ending = None if found.folders or suffixes else _ending(found.files)
    return found, Masks(tuple(map(str, found.folders)), len(found.files), values, ending, suffixes)


def options_for(masks: Masks, images: str) -> dict[str, Any] | None:
    """The options that read the masks; None where they lie in several places, or their values need an explanation.

    Args:
        masks: as they were seen.
        images: folder of the images, below the source.
    """
    meaning = _MEANINGS.get(masks.values)
    if meaning is None:
        return None
    explained = {"mask_values": meaning} if meaning else {}
    if len(masks.folders) == 1:
        return {"masks": masks.folders[0], **explained}
    if masks.suffixes is not None:
        return {"suffix": masks.suffixes[0], "masks": images, **explained}
    return {"mask_suffix": masks.ending, **explained} if masks.ending else None


def _ending(files: frozenset[PurePosixPath]) -> str | None:
    """What all names of masks end in behind the names of their images, such as `_mask`."""
    endings = {file.stem.removeprefix(stem_of_image(file.stem)) for file in files}
    return next(iter(endings)) if len(endings) == 1 and endings != {""} else None


def _twins(images: Sequence[PurePosixPath], raw: Path) -> tuple[str, str] | None:
    """The suffixes of images and of masks, where each image has a mask beside it that differs only in the suffix."""
    suffixes = Counter(image.suffix.lower() for image in images)
    if len(suffixes) != 2:
        return None
    files: dict[str, dict[PurePosixPath, PurePosixPath]] = defaultdict(dict)
    for image in images:
        files[image.suffix.lower()][image.with_suffix("")] = image
    one, other = files.values()
    both = sorted(one.keys() & other.keys())
    if 2 * len(both) < len(images) * 0.8:
        return None
    flat = {suffix: is_flat(raw, [found[name] for name in both]) for suffix, found in files.items()}
    first, second = files
    if flat[first] == flat[second]:
        return None
    return (second, first) if flat[first] else (first, second)
