"""What networks say of images that are not in their tables: unlikeness, and the opinion of each member."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from cytopipe.data.imaging.decode import read_png
from cytopipe.errors import CytopipeError
from cytopipe.models.files import fold_part
from cytopipe.models.folds import Folds
from cytopipe.models.inference.predictor import Picture, Predictor
from cytopipe.results.ensemble import Ensemble


def unlike_scores(folder: Path, ids: Sequence[str], files: Sequence[Path], device: str = "cpu") -> np.ndarray:
    """How unlike images are to the training images; with folds, to those of the network that did not train on them.

    Args:
        folder: a classifier's model folder.
        ids, files: of N images that it was not trained on.
        device: to compute on.

    Returns:
        N numbers: 0 is a typical image, more than 1 is unlike.

    Raises:
        CytopipeError: the classifier does not know its training images.
    """
    folds = Folds.read(folder)
    found = np.zeros(len(ids))
    parts = [folder / fold_part(folds.of(one)) if folds else folder for one in ids]
    for part in sorted(set(parts)):
        chosen = [place for place, own in enumerate(parts) if own == part]
        predictor = Predictor.load(part, torch.device(device))
        if not predictor.familiar:
            raise CytopipeError(
                "this classifier does not know its training images", where=part, hint="use --by uncertainty"
            )
        scores = predictor(read_png(files[place]) for place in chosen)
        found[chosen] = [one.unlike_score or 0.0 for one in scores]
    return found


def seed_members(folder: Path, files: Sequence[Path], device: str = "cpu") -> list[np.ndarray]:
    """The probabilities of each network of a classifier of several seeds, N x classes each; none for any other.

    Networks of folds are no such committee: all but one of them were trained on each image.
    """
    ensemble = Ensemble.read(folder)
    if ensemble is None or ensemble.kind != "seeds":
        return []
    return opinions([folder / part for part in ensemble.members], [read_png(file) for file in files], device)


def members_of(folder: Path) -> list[Path]:
    """Model folders of a classifier's networks: those of its folds or seeds, or itself."""
    ensemble = Ensemble.read(folder)
    return [folder / part for part in ensemble.members] if ensemble else [folder]


def opinions(folders: Iterable[Path], pictures: Sequence[Picture], device: str = "cpu") -> list[np.ndarray]:
    """The probabilities of N pictures by the network of each folder, N x classes each."""
    found = []
    for folder in folders:
        predictor = Predictor.load(folder, torch.device(device))
        found.append(np.stack([one.probabilities for one in predictor(pictures)]))
    return found
