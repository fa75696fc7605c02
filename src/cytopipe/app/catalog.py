"""The models that the app offers: the classifiers in a folder, each with its example images, and the segmenters."""

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
class CatalogEntry:
    """A model that the user can select.

    Attributes:
        name: display name.
        folder: folder of a single network.
        spec: contents of model.json, not yet verified; `Predictor.load` verifies the whole folder.
    """

    name: str
    folder: Path
    spec: ModelSpec

    @property
    def examples(self) -> list[tuple[Path, str]]:
        """Example images with their true classes, ordered by class."""
        numbered = [(path, int(path.stem.rpartition("_")[2])) for path in examples_of(self.folder)]
        return [(path, self.spec.classes[number]) for path, number in numbered if number < len(self.spec.classes)]


def classifiers(folder: Path) -> list[CatalogEntry]:
    """The classifiers in a folder, sorted by name; just one if the folder is itself a model folder.

    A cross-validated classifier is represented by the network of fold 0. A model whose model.json cannot be read is
    skipped with a warning.

    Raises:
        CytopipeError: the folder holds no classifier, or is itself a damaged model or a segmenter.
    """
    if is_model(folder):
        one = _read_entry(folder)
        if one.spec.task != "classification":
            raise CytopipeError("this model is a segmenter, not a classifier", where=folder)
        return [one]
    if not folder.is_dir():
        raise CytopipeError("no such folder", where=folder, hint=NO_MODELS)
    found = [one for one in _readable(folder) if one.spec.task == "classification"]
    if not found:
        raise CytopipeError("no classifier in this folder", where=folder, hint=NO_MODELS)
    return found


def segmenters(folder: Path) -> list[CatalogEntry]:
    """The segmenters in a folder, sorted by name; none if the folder does not exist."""
    return [one for one in _readable(folder) if one.spec.task == "segmentation"] if folder.is_dir() else []


def is_model(folder: Path) -> bool:
    """Whether this is a model folder, of a single network or of one network per fold."""
    return (folder / SPEC).is_file() or (folder / FOLDS).is_file()


def _readable(folder: Path) -> Iterator[CatalogEntry]:
    for below in sorted(path for path in folder.iterdir() if is_model(path)):
        try:
            yield _read_entry(below)
        except CytopipeError as error:
            logger.warning("skipped: %s", error)


def _read_entry(folder: Path) -> CatalogEntry:
    folds = not (folder / SPEC).is_file()
    network = folder / fold_part(0) if folds else folder
    name = folder.resolve().name
    return CatalogEntry(f"{name} (fold 0)" if folds else name, network, ModelSpec.read(network / SPEC))
