"""White blood cells, dataset 1: 300 images of 120 x 120 px with masks of nucleus and cytoplasm.

Zheng et al., "Fast and robust segmentation of white blood cell images by self-supervised learning", Micron 107, 2018.
Labels are 1 to 5 in a CSV with CRLF line ends whose ids are not padded (`1` is `001.bmp`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from cytopipe.adapters.base import Adapter, Options, Phantoms, Sample, read_csv
from cytopipe.adapters.layout import by_folder, list_images
from cytopipe.data.imaging.decode import read_values
from cytopipe.data.imaging.masks import BACKGROUND, CYTOPLASM, NUCLEUS, to_palette
from cytopipe.errors import CytopipeError

CLASSES = ("neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil")
_CSV = "Class Labels of Dataset 1.csv"
_MEANING = {0: BACKGROUND, 128: CYTOPLASM, 255: NUCLEUS}


class WbcOptions(Options):
    """This adapter has no options."""


def _read_mask(path: Path, size: tuple[int, int]) -> np.ndarray:
    return to_palette(read_values(path), _MEANING, path)


def _samples(raw: Path, options: WbcOptions) -> Iterator[Sample]:
    folders = by_folder(list_images(raw))
    found = _folder(folders)
    if found is None:
        raise ADAPTER.not_found(raw, "no folder 'Dataset 1'")
    folder = raw / found
    labels = folder.parent / _CSV
    files = [folder / name for name in folders[found] if name.endswith(".bmp")]
    images = {int(path.stem): path for path in files if path.stem.isdecimal()}
    seen: set[int] = set()
    for line, row in read_csv(labels, ("image ID", "class label")):
        where = f"{labels}:{line}"
        number, label = row["image ID"], row["class label"]
        if not number.isdecimal() or int(number) not in images:
            raise CytopipeError(f"the id '{number}' has no image {number.zfill(3)}.bmp", where=where)
        if not label.isdecimal() or not 1 <= int(label) <= len(CLASSES):
            raise CytopipeError(f"the label '{label}' is not one of 1 to {len(CLASSES)}", where=where)
        if int(number) in seen:
            raise CytopipeError(f"the id '{number}' stands twice", where=where)
        seen.add(int(number))
        image = images[int(number)]
        # Each image shows one cell of an unnamed patient: no group is known, so each is its own.
        yield Sample(
            image.stem, image, CLASSES[int(label) - 1], image.stem, mask=partial(_read_mask, image.with_suffix(".png"))
        )
    unlabelled = sorted(set(images) - seen)
    if unlabelled:
        raise CytopipeError(f"{len(unlabelled)} images have no row, first {images[unlabelled[0]].name}", where=labels)


def _folder(folders: Iterable[PurePosixPath]) -> PurePosixPath | None:
    return next((folder for folder in folders if folder.name.lower() == "dataset 1"), None)


def _tables(raw: Path, options: WbcOptions) -> Iterator[Path]:
    if found := _folder(by_folder(list_images(raw))):
        yield raw / found.parent / _CSV


ADAPTER = Adapter(
    name="wbc",
    title="white blood cells, dataset 1",
    home="https://github.com/zxaoyou/segmentation_WBC",
    layout="Dataset 1/001.bmp with its mask 001.png, and 'Class Labels of Dataset 1.csv' (image ID, class label)",
    group_key="none published: each image is its own group",
    classes=CLASSES,
    options=WbcOptions,
    samples=_samples,
    tables=_tables,
    phantoms=Phantoms("wbc", table="wbc"),
)
