"""The cell detectors that the app offers: segmenters, and patch classifiers that tell cells from background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from cytopipe.app.catalog import CatalogEntry, segmenters
from cytopipe.app.project import Project
from cytopipe.models.files import SEGMENTER, model_id
from cytopipe.models.members import is_model
from cytopipe.screening.detectors import CellDetector
from cytopipe.screening.finders import finder_of
from cytopipe.screening.patch_detector import CELL, PatchDetector


@dataclass(frozen=True)
class DetectorChoice:
    """A model that can detect cells.

    Attributes:
        name: display name.
        folder: its model folder.
        by_patches: True for a patch classifier, False for a segmenter.
    """

    name: str
    folder: Path
    by_patches: bool

    def load(self, device: torch.device) -> CellDetector:
        """Load the detector with the default parameters of `cytopipe screen`.

        Raises:
            CytopipeError: the model is damaged or does not record its scale.
        """
        return PatchDetector(self.folder, device) if self.by_patches else finder_of(self.folder)(self.folder, device)


def detector_choices(
    catalog: Sequence[CatalogEntry], models: Path, segmenter: Path | None = None
) -> list[DetectorChoice]:
    """Every available detector, without duplicates.

    In this order: the given segmenter, those in `segmenters/`, those bundled with the classifiers, patch classifiers.

    Args:
        catalog: the classifiers.
        models: folder of the classifiers; segmenters are looked up in `segmenters/` beside it.
        segmenter: model folder that the user chose, or None.
    """
    beside = models.parent / "segmenters"
    folders = [segmenter] if segmenter else []
    folders += [one.folder for one in segmenters(beside)]
    found = {model_id(folder): DetectorChoice(folder.resolve().name, folder, False) for folder in reversed(folders)}
    found = dict(reversed(found.items()))
    for one in catalog:
        own = one.folder / SEGMENTER
        if own.is_dir():
            found.setdefault(model_id(own), DetectorChoice(f"{SEGMENTER} of {one.name}", own, False))
    patches = [one for one in catalog if CELL in one.spec.classes and one.spec.channels == "rgb"]
    return [*found.values(), *(DetectorChoice(f"{one.name} (patches)", one.folder, True) for one in patches)]


def default_detector(
    classifier: CatalogEntry, available: Sequence[DetectorChoice], project: Project
) -> DetectorChoice | None:
    """The detector that goes with a classifier: the project's, else its bundled segmenter, else the first one."""
    for folder in (project.detector(classifier.folder), classifier.folder / SEGMENTER):
        if folder is not None and is_model(folder):
            own = model_id(folder)
            same = [choice for choice in available if model_id(choice.folder) == own]
            if same:
                return same[0]
    return available[0] if available else None
