"""Finding the mask of each image in a folder of people: named by a table, in a folder of masks, or beside the image."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

from cytopipe.adapters.base import MaskReader, Options
from cytopipe.adapters.layout import list_images
from cytopipe.adapters.mask_names import MASK_BEGINNING, MASK_ENDING
from cytopipe.data.imaging.mask_files import Colour, MaskMeaning, Part, read_meaning
from cytopipe.errors import CytopipeError

logger = logging.getLogger("cytopipe")


def _colours(given: object) -> object:
    """Colours by their text (#rrggbb) -> by three numbers."""
    if not isinstance(given, dict):
        return given
    found: dict[Colour, object] = {}
    for colour, part in given.items():
        match = re.fullmatch(r"#?([0-9a-fA-F]{6})", str(colour).strip())
        if not match:
            raise PydanticCustomError("colour", "'{given}' is no colour such as '#ff0000'", {"given": str(colour)})
        red, green, blue = bytes.fromhex(match[1])
        found[red, green, blue] = part
    return found


def _has_a_background(values: Mapping[Colour, Part]) -> Mapping[Colour, Part]:
    if not values:
        raise PydanticCustomError("colours", "name at least one colour")
    return values


def _values(given: object, parse: ValidatorFunctionWrapHandler) -> Mapping[int, Part]:
    """Values by number; `any` becomes no value at all."""
    if isinstance(given, str) and re.fullmatch(r"any( value > 0)?", given.strip()):
        return {}
    found: Mapping[int, Part] = parse(given)
    if not found:
        raise PydanticCustomError("values", "name at least one value, or set it to any")
    return found


Values = Annotated[Mapping[int, Part], WrapValidator(_values)]
Colours = Annotated[dict[Colour, Part], BeforeValidator(_colours), AfterValidator(_has_a_background)]


class MaskOptions(Options):
    """Where the true masks lie, and what their values mean."""

    mask: str | None = Field(None, description="column with the path of the mask; empty for an image without one")
    masks: str | None = Field(
        None, description="folder below the source with masks, named as their images, also with _mask, mask_, _seg, ..."
    )
    mask_suffix: str | None = Field(
        None, description="end of the name of masks that lie beside their images, such as _mask; '': none are masks"
    )
    mask_values: Values = Field(
        default={0: 0, 1: 1, 2: 2},
        description="your mask's value -> 0 background, 1 cytoplasm, 2 nucleus; any: every value above 0 is cell",
    )
    mask_colours: Colours | None = Field(
        None, description="for masks in colours: '#ff0000' -> 0 background, 1 cytoplasm, 2 nucleus"
    )
    mask_nearest: bool = Field(
        False, description="take the nearest of the values or colours, for masks with soft edges or in JPEG"
    )

    @property
    def meaning(self) -> MaskMeaning:
        """What values and colours mean."""
        given = "mask_values" in self.model_fields_set
        return MaskMeaning(self.mask_values or "any", self.mask_colours, self.mask_nearest, given)


def without_masks(paths: Sequence[PurePosixPath], root: Path, home: Path, options: MaskOptions) -> list[PurePosixPath]:
    """The files below `root` that the options do not name as masks.

    Args:
        paths: files below the folder of the images.
        root: that folder.
        home: the folder that the paths of the options start from.
        options: where masks lie.

    Raises:
        CytopipeError: there is no such folder of masks.
    """
    kept = list(paths)
    if options.masks:
        folder = home / options.masks
        if not folder.is_dir():
            raise CytopipeError(f"no folder '{options.masks}' in the source", where=home, hint="correct options.masks")
        if not root.resolve().is_relative_to(folder.resolve()):  # masks may lie among the images, by other names
            kept = [path for path in kept if not (root / path).is_relative_to(folder)]
    if options.mask_suffix:
        kept = [path for path in kept if not path.stem.endswith(options.mask_suffix)]
    return kept


def refuse_unstated_masks(files: Sequence[Path], options: MaskOptions) -> None:
    """Refuse files that look like masks of others beside them, where no option says what they are.

    Raises:
        CytopipeError: there are such files.
    """
    if options.mask_suffix is not None or options.mask:
        return
    stems = {path.with_suffix("") for path in files}
    for path in files:
        if (match := MASK_ENDING.search(path.stem)) and path.with_name(path.stem[: match.start()]) in stems:
            raise CytopipeError(
                f"its name is that of an image and '{match[0]}': it looks like a mask, not like an image",
                where=path,
                hint=f"options.mask_suffix: '{match[0]}' takes such files as masks, options.mask_suffix: '' takes "
                "them as images",
            )


class MaskFinder:
    """Finds the masks of images.

    Args:
        raw: folder with the publisher's files.
        root: folder of the images.
        files: all image files below the root, with masks beside images.
        options: where masks lie.
        suffix: that of images; files that end in it are no masks.
    """

    def __init__(
        self, raw: Path, root: Path, files: Sequence[Path], options: MaskOptions, suffix: str | None = None
    ) -> None:
        self.raw, self.root, self.options = raw, root, options
        self.used: dict[Path, Path] = {}  # mask: its image
        self.by_key: dict[str, list[Path]] = defaultdict(list)
        self.folder = raw / options.masks if options.masks else None
        if self.folder is not None:
            own = f".{suffix.lower().lstrip('.')}" if suffix else ""
            for name in list_images(self.folder) if self.folder.is_dir() else ():
                if name.suffix.lower() != own:
                    self._add(self.folder / name, Path(name))
        elif options.mask_suffix:
            for path in files:
                if path.stem.endswith(options.mask_suffix):
                    key = path.relative_to(root).with_name(path.stem.removesuffix(options.mask_suffix))
                    self.by_key[key.as_posix()].append(path)

    def _add(self, path: Path, name: Path) -> None:
        stem = name.stem
        for bare in dict.fromkeys((stem, MASK_ENDING.sub("", stem), MASK_BEGINNING.sub("", stem))):
            self.by_key[name.with_name(bare).as_posix()].append(path)

    def reader(self, image: Path, listed: str | None) -> MaskReader | None:
        """What reads the mask of an image; None if it has none.

        Args:
            image: the image.
            listed: the table's entry, if the table has a column of masks.

        Raises:
            CytopipeError: there is no such mask, several fit, or it is the mask of another image already.
        """
        path = self._listed(image, listed) if listed else None if self.options.mask else self._fitting(image)
        if path is None:
            return None
        if path == image:
            raise CytopipeError("the mask is the image itself", where=image, hint="correct the column of the masks")
        other = self.used.setdefault(path, image)
        if other != image:
            raise CytopipeError(
                f"it is the mask of two images: {other.relative_to(self.raw)} and {image.relative_to(self.raw)}",
                where=path,
                hint="give each image a mask of its own, or none",
            )
        return partial(_read, path, self.options.meaning)

    def _listed(self, image: Path, listed: str) -> Path:
        name = listed.replace("\\", "/")
        places = [self.raw, *([self.folder] if self.folder else []), self.root, image.parent]
        for place in places:
            if (place / name).is_file():
                return place / name
        raise CytopipeError(
            "no such mask",
            where=self.raw / name,
            hint=f"correct the row of {image.name}, or leave its mask empty: segmenters train on images that have one",
        )

    def _fitting(self, image: Path) -> Path | None:
        name = image.relative_to(self.root).with_suffix("")
        found = self.by_key.get(name.as_posix()) or self.by_key.get(name.name) or []
        if len(found) > 1:
            named = ", ".join(path.relative_to(self.raw).as_posix() for path in found[:4])
            raise CytopipeError(
                f"{len(found)} masks fit this image: {named}",
                where=image,
                hint="keep one of them; or name the masks in a column of the table (options.mask)",
            )
        return found[0] if found else None

    def finish(self, images: int) -> None:
        """Log what was found, after the last image.

        Raises:
            CytopipeError: there are masks, but no image has one.
        """
        there = sorted({path for paths in self.by_key.values() for path in paths})
        if self.folder is not None and not self.used and not self.options.mask:
            shown = there[0].relative_to(self.raw).as_posix() if there else "none"
            raise CytopipeError(
                f"none of {len(there)} masks has the name of one of {images} images; first mask: {shown}",
                where=self.folder,
                hint="name masks as their images (with any suffix, _mask or mask_), or in a column (options.mask)",
            )
        idle = [path for path in there if path not in self.used]
        if idle and not self.options.mask:
            first = idle[0].relative_to(self.raw).as_posix()
            logger.warning("%d masks fit no image and are left out, first %s", len(idle), first)
        if self.used and not self.options.mask_values and self.options.mask_colours is None:
            logger.warning(
                "options.mask_values: any: every value above 0 of a mask is taken as cell, whatever it numbers"
            )


def _read(path: Path, meaning: MaskMeaning, size: tuple[int, int]) -> np.ndarray:
    return read_meaning(path, meaning)
