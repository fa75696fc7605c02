"""What the page offers: the classifiers of a folder, and the example images that came with each."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cytopipe.errors import CytopipeError
from cytopipe.models.files import FOLDS, examples_of, fold_part
from cytopipe.results.model_spec import SPEC, ModelSpec

logger = logging.getLogger("cytopipe")
NO_MODELS = "run the demo first: `make repro`; or name a folder: --models DIR"


@dataclass(frozen=True)
class Shelved:
    """A classifier that can be chosen.

    Attributes:
        name: as the page shows it.
        folder: of one network.
        spec: read, not yet verified; `Predictor.load` verifies everything.
    """

    name: str
    folder: Path
    spec: ModelSpec

    @property
    def examples(self) -> list[tuple[Path, str]]:
        """Example images and the true class of each, in the order of the classes."""
        numbered = [(path, int(path.stem.rpartition("_")[2])) for path in examples_of(self.folder)]
        return [(path, self.spec.classes[number]) for path, number in numbered if number < len(self.spec.classes)]


def classifiers(folder: Path) -> list[Shelved]:
    """Every classifier of a folder, or the one that the folder itself is, by name.

    A classifier with a network a fold is represented by the network of fold 0. A folder whose model.json cannot be
    read is left out, with a warning.

    Raises:
        CytopipeError: there is none, or the one that is named is damaged or a segmenter.
    """
    if is_model(folder):
        one = _shelved(folder)
        if one.spec.task != "classification":
            raise CytopipeError("this model is a segmenter, not a classifier", where=folder)
        return [one]
    if not folder.is_dir():
        raise CytopipeError("there is no such folder, so no models", where=folder, hint=NO_MODELS)
    found = [one for one in _readable(folder) if one.spec.task == "classification"]
    if not found:
        raise CytopipeError("there is no classifier in this folder", where=folder, hint=NO_MODELS)
    return found


def segmenters(folder: Path) -> list[Shelved]:
    """Every segmenter of a folder, which need not be there."""
    return [one for one in _readable(folder) if one.spec.task == "segmentation"] if folder.is_dir() else []


def is_model(folder: Path) -> bool:
    """Whether the folder is a model's, of one network or one a fold."""
    return (folder / SPEC).is_file() or (folder / FOLDS).is_file()


def _readable(folder: Path) -> Iterator[Shelved]:
    for below in sorted(path for path in folder.iterdir() if is_model(path)):
        try:
            yield _shelved(below)
        except CytopipeError as error:
            logger.warning("left out: %s", error)


def _shelved(folder: Path) -> Shelved:
    folds = not (folder / SPEC).is_file()
    network = folder / fold_part(0) if folds else folder
    name = folder.resolve().name
    return Shelved(f"{name} (fold 0)" if folds else name, network, ModelSpec.read(network / SPEC))
