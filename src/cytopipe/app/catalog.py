"""The models that the app offers: the classifiers in a folder, each with its example images, and the segmenters."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cytopipe.errors import CytopipeError
from cytopipe.models.files import examples_of
from cytopipe.models.members import is_model, spec_of
from cytopipe.results.ensemble import Ensemble
from cytopipe.results.model_spec import ModelSpec

logger = logging.getLogger("cytopipe")
NO_MODELS = "run the demo first: `make repro`; or name a folder: --models DIR"


@dataclass(frozen=True)
class CatalogEntry:
    """A model that the user can select.

    Attributes:
        name: display name.
        folder: its model folder.
        spec: its description, not yet verified; `Predictor.load` verifies the whole folder.
        ensemble: of which networks it is the mean; None for a single one.
    """

    name: str
    folder: Path
    spec: ModelSpec
    ensemble: Ensemble | None = None

    @property
    def examples(self) -> list[tuple[Path, str]]:
        """Example images with their true classes, ordered by class."""
        numbered = [(path, int(path.stem.rpartition("_")[2])) for path in examples_of(self.folder)]
        return [(path, self.spec.classes[number]) for path, number in numbered if number < len(self.spec.classes)]


def classifiers(folder: Path) -> list[CatalogEntry]:
    """The classifiers in a folder, sorted by name; just one if the folder is itself a model folder.

    Several networks (folds or seeds) are offered as the one model that they are together. A model whose description
    cannot be read, or which holds networks of folds without a rule for their mean, is skipped with a warning.

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


def _readable(folder: Path) -> Iterator[CatalogEntry]:
    for below in sorted(path for path in folder.iterdir() if is_model(path)):
        try:
            yield _read_entry(below)
        except CytopipeError as error:
            logger.warning("skipped: %s", error)


def _read_entry(folder: Path) -> CatalogEntry:
    ensemble, name = Ensemble.read(folder), folder.resolve().name
    shown = f"{name} (mean of {len(ensemble.members)} {ensemble.kind})" if ensemble else name
    return CatalogEntry(shown, folder, spec_of(folder), ensemble)
