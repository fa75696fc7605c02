"""The layout of a model folder: file names, subfolders, example images and identity. Imports no torch."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cytopipe.errors import CytopipeError
from cytopipe.results.model_spec import RESTORE

WEIGHTS, SUMS = "weights.safetensors", "SHA256SUMS"
SEGMENTER = "segmenter"  # subfolder of a classifier that takes masks
EXAMPLE = "example_{}.png"  # one image per class
FAMILIAR = "familiar.safetensors"  # where the training images lie, in a classifier's folder
SELF_SUPERVISED = "self_supervised.csv"  # epochs of the pretraining without labels
FOLDS = "folds.json"  # the fold of each image, in a folder with one network per fold
MAIN = ""  # the part that is the folder itself, as opposed to a subfolder
PARTS = ("folds", "seeds")  # subfolders with further networks


def examples_of(folder: Path) -> list[Path]:
    """The example images of a model folder, in the order of their classes; an empty list if there are none.

    Those of a folder with folds are in each of them; the first has them.
    """
    place = folder / fold_part(0) if (folder / FOLDS).is_file() and not (folder / WEIGHTS).is_file() else folder
    return sorted(place.glob(EXAMPLE.format("*")), key=lambda path: int(path.stem.rpartition("_")[2]))


def whole_folder(folder: Path) -> Path:
    """The model folder as a whole, given the folder itself or one of its folds or seeds."""
    folder = folder.resolve()
    return folder.parent.parent if folder.parent.name in PARTS else folder


def place_of_segmenter(classifier: Path) -> Path:
    """Path of a classifier's segmenter, whether or not it exists; folds and seeds share one segmenter."""
    return whole_folder(classifier) / SEGMENTER


def fold_part(fold: int) -> str:
    """Subfolder with the network of a fold."""
    return f"folds/{fold}"


def seed_part(number: int) -> str:
    """Subfolder with the network of a further seed; the first seed (0) has the folder itself."""
    return f"seeds/{number}" if number else MAIN


def model_id(folder: Path, segmenter: Path | None = None) -> str:
    """Identity of a model: 12 hexadecimal digits of a hash over its checksums and those of its segmenter.

    Args:
        folder: the model folder.
        segmenter: segmenter folder used instead of the model's own.

    Raises:
        CytopipeError: the folder is not a model folder.
    """
    if not (folder / SUMS).is_file():
        raise CytopipeError(f"there is no {SUMS} here, so this is not a model folder", where=folder, hint=RESTORE)
    digest = hashlib.sha256((folder / SUMS).read_bytes())
    sums = (segmenter or place_of_segmenter(folder)) / SUMS
    if sums.is_file():
        digest.update(sums.read_bytes())
    return digest.hexdigest()[:12]
