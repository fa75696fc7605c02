"""What makes a classifier's folder useful alone: its segmenter, an example image of each class, an identity."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cytopipe.errors import CytopipeError
from cytopipe.images import encode_png
from cytopipe.models.folder import RESTORE, SPEC, SUMS, WEIGHTS
from cytopipe.tensors import Items

SEGMENTER = "segmenter"  # folder below a classifier's, where it sees masks
_EXAMPLE = "example_{}.png"
_PARTS = ("folds", "seeds")


def copy_segmenter(segmenter: Path, target: Path) -> None:
    """Copy the one model of a segmenter's folder that may mask images of no fold into the new folder `target`."""
    target.mkdir(parents=True)
    for name in (WEIGHTS, SPEC, SUMS):
        shutil.copyfile(segmenter / name, target / name)


def segmenter_of(classifier: Path) -> Path:
    """The segmenter that masks images for a classifier; parts of a folder (folds, seeds) share that of the whole.

    Raises:
        CytopipeError: the folder has none.
    """
    segmenter = _place_of_segmenter(classifier)
    if not segmenter.is_dir():
        raise CytopipeError(
            "the classifier sees masks, but its folder holds no segmenter",
            where=segmenter.parent,
            hint="name one: --segmenter models/segmenters/NAME",
        )
    return segmenter


def _place_of_segmenter(classifier: Path) -> Path:
    classifier = classifier.resolve()
    whole = classifier.parent.parent if classifier.parent.name in _PARTS else classifier
    return whole / SEGMENTER


def example_images(items: Items, labels: Sequence[int] | np.ndarray) -> dict[str, bytes]:
    """PNG files of the first image of each class, to go with a model.

    Args:
        items: N x S x S x 5 uint8.
        labels: N class indices.
    """
    firsts = {int(label): place for place, label in reversed(list(enumerate(labels)))}
    return {_EXAMPLE.format(label): encode_png(np.asarray(items[firsts[label]])[..., :3]) for label in sorted(firsts)}


def examples_of(folder: Path) -> list[Path]:
    """The example images of a model folder, in the order of their classes; none for a folder without."""
    return sorted(folder.glob(_EXAMPLE.format("*")), key=lambda path: int(path.stem.rpartition("_")[2]))


def model_id(folder: Path, segmenter: Path | None = None) -> str:
    """12 hexadecimal digits that tell a model from every other: of its checksums and those of its segmenter.

    Args:
        folder: of the model.
        segmenter: that takes the place of its own.

    Raises:
        CytopipeError: for a folder that is no model.
    """
    if not (folder / SUMS).is_file():
        raise CytopipeError(f"there is no {SUMS} here, so it is no model folder", where=folder, hint=RESTORE)
    digest = hashlib.sha256((folder / SUMS).read_bytes())
    sums = (segmenter or _place_of_segmenter(folder)) / SUMS
    if sums.is_file():
        digest.update(sums.read_bytes())
    return digest.hexdigest()[:12]
