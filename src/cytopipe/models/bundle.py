"""What makes a classifier's folder useful alone: its segmenter and an example image of each class."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cytopipe.data.tensors import Items
from cytopipe.errors import CytopipeError
from cytopipe.imaging.decode import encode_png
from cytopipe.models.files import EXAMPLE, SPEC, SUMS, WEIGHTS, place_of_segmenter


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
    segmenter = place_of_segmenter(classifier)
    if not segmenter.is_dir():
        raise CytopipeError(
            "the classifier sees masks, but its folder holds no segmenter",
            where=segmenter.parent,
            hint="name one: --segmenter models/segmenters/NAME",
        )
    return segmenter


def example_images(items: Items, labels: Sequence[int] | np.ndarray) -> dict[str, bytes]:
    """PNG files of the first image of each class, to go with a model.

    Args:
        items: N x S x S x 5 uint8.
        labels: N class indices.
    """
    firsts = {int(label): place for place, label in reversed(list(enumerate(labels)))}
    return {EXAMPLE.format(label): encode_png(np.asarray(items[firsts[label]])[..., :3]) for label in sorted(firsts)}
