"""Images of folders whose levels name the class, and what is said of the reading."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from cytopipe.adapters.layout import images_of
from cytopipe.adapters.levels import Levels, Place, listed, meanings_of
from cytopipe.adapters.mask_names import Masks, find_masks, paired_names
from cytopipe.adapters.read_levels import read_levels
from cytopipe.errors import CytopipeError

logger = logging.getLogger("cytopipe")

# Formats of microscopes and of medicine that are not read here: a folder of them is a class that would be missed.
_OTHER_IMAGES = frozenset(
    {".svs", ".ndpi", ".mrxs", ".scn", ".czi", ".lif", ".nd2", ".oib", ".oif", ".vsi", ".lsm", ".ims", ".zvi", ".flex"}
    | {".dcm", ".dicom", ".nii", ".mrc", ".heic", ".heif", ".avif", ".raw", ".cr2", ".nef", ".dng", ".eps", ".pdf"}
    | {".psd", ".svg", ".npy", ".npz", ".mat", ".h5", ".hdf5", ".zarr", ".gz"}
)
_TABLES = (".csv", ".tsv", ".txt", ".xlsx", ".xls", ".ods")


def read_class_levels(
    root: Path, paths: Sequence[PurePosixPath], folders: str | None, masks: bool = True
) -> tuple[Levels, list[PurePosixPath]]:
    """What the folders below `root` mean, and the images that are no masks.

    Args:
        root: folder of the images.
        paths: all files below it.
        folders: the value of `options.folders`.
        masks: whether files may be masks by their names.

    Raises:
        CytopipeError: as `read_levels` and `find_masks`; a folder beside those of the classes holds no image that is
            read.
    """
    stated = meanings_of(folders)
    if stated and "class" not in stated:
        raise CytopipeError(
            f"options.folders ({folders}) names no class, and there is no table of labels",
            where=root,
            hint="write class in the place of the folders that are the classes, or name a table in options.csv",
        )
    images = images_of(paths)
    if not images:
        return Levels(PurePosixPath(), (), ()), []
    found = find_masks(images, root, bool(stated)) if masks else Masks((), frozenset())
    plain = [image for image in images if image not in found.files]
    if found.files:
        what = f"in {listed([str(folder) for folder in found.folders])}" if found.folders else "named like masks"
        option = "options.masks" if found.folders else "options.mask_suffix"
        logger.warning(
            "%s: %d images %s are taken for masks and are no images of the dataset; %s reads masks",
            *(root, len(found.files), what, option),
        )
    if pairs := paired_names(plain):
        logger.warning(
            "%s: %d of %d images are named like another with '%s' added: are they masks or changed copies? Then take "
            "them out of the source",
            *(root, pairs[1], len(plain), pairs[0]),
        )
    table = next((path.as_posix() for path in paths if path.suffix.lower() in _TABLES), "")
    levels = read_levels(plain, root, stated, table)
    _check_folders_without_images(root, paths, levels)
    for note in levels.notes:
        logger.warning("%s: %s", root, note)
    if not stated and levels.stated != "class":
        logger.info("%s: the folders are read as %s", root, describe(levels))
    return levels, plain


def describe(levels: Levels) -> str:
    """A reading in words: `split/class: training_set is train, test_set is test`."""
    splits = ", ".join(f"{name} is {split}" for name, split in levels.splits.items())
    return f"{levels.stated}{': ' if splits else ''}{splits}"


def placed(root: Path, images: Sequence[PurePosixPath], levels: Levels) -> Iterator[tuple[Path, Place]]:
    """Each image's file and what its folders say."""
    for image in images:
        yield root / image, levels.place(image)


def _check_folders_without_images(root: Path, paths: Sequence[PurePosixPath], levels: Levels) -> None:
    """Folders beside those of the classes with files, but without an image that is read."""
    level = len(levels.top.parts) + levels.meanings.index("class")
    known = {name.casefold() for name in levels.names[levels.meanings.index("class")]}
    others: dict[str, list[PurePosixPath]] = {}
    for path in paths:
        if (
            len(path.parts) > level + 1
            and path.is_relative_to(levels.top)
            and path.parts[level].casefold() not in known
        ):
            others.setdefault(path.parts[level], []).append(path)
    with_images = {path.parts[level] for path in images_of(paths) if len(path.parts) > level + 1}
    for name, files in sorted(others.items()):
        if name in with_images:  # masks
            continue
        message = f"the folder '{name}' beside the classes holds {len(files)} files, but no image that is read here"
        if any(path.suffix.lower() in _OTHER_IMAGES for path in files):
            raise CytopipeError(
                f"{message}, first {files[0].name}",
                where=root / files[0].parent,
                hint="convert its images to PNG or TIFF, or take the folder out of the source",
            )
        logger.warning("%s: %s, first %s", root, message, files[0])
