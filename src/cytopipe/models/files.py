"""The files of a model folder, for those who need no torch: their names, the examples, an identity."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cytopipe.errors import CytopipeError
from cytopipe.results.model_spec import RESTORE

WEIGHTS, SUMS = "weights.safetensors", "SHA256SUMS"
SEGMENTER = "segmenter"  # folder below a classifier's, where it sees masks
EXAMPLE = "example_{}.png"  # one image per class
FOLDS = "folds.json"  # which fold each image belongs to, where a folder holds one network per fold
MAIN = ""  # the part of a folder that holds the network of the folder itself
PARTS = ("folds", "seeds")  # folders below a classifier's, of more than one network


def examples_of(folder: Path) -> list[Path]:
    """The example images of a model folder, in the order of their classes; none for a folder without."""
    return sorted(folder.glob(EXAMPLE.format("*")), key=lambda path: int(path.stem.rpartition("_")[2]))


def place_of_segmenter(classifier: Path) -> Path:
    """Where a classifier's segmenter lies, if it has one; parts of a folder (folds, seeds) share that of the whole."""
    classifier = classifier.resolve()
    whole = classifier.parent.parent if classifier.parent.name in PARTS else classifier
    return whole / SEGMENTER


def fold_part(fold: int) -> str:
    """Where the network of a fold lies below the folder."""
    return f"folds/{fold}"


def seed_part(number: int) -> str:
    """Where the network of a further seed lies below the folder; that of the first is the folder's own."""
    return f"seeds/{number}" if number else MAIN


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
    sums = (segmenter or place_of_segmenter(folder)) / SUMS
    if sums.is_file():
        digest.update(sums.read_bytes())
    return digest.hexdigest()[:12]
