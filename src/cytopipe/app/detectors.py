"""What can find the cells of a field: segmenters, and classifiers of patches that know cell from background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from cytopipe.app.catalog import Shelved, is_model, segmenters
from cytopipe.app.project import Project
from cytopipe.models.files import SEGMENTER, model_id
from cytopipe.screening.detectors import CellDetector
from cytopipe.screening.patch_detector import CELL, PatchDetector
from cytopipe.screening.segmenter_detector import SegmenterDetector


@dataclass(frozen=True)
class Choice:
    """A model that can find cells.

    Attributes:
        name: as the page shows it.
        folder: of the model.
        by_patches: whether it is a classifier of patches; else a segmenter.
    """

    name: str
    folder: Path
    by_patches: bool

    def load(self, device: torch.device) -> CellDetector:
        """The detector, with its parameters of `cytopipe screen`.

        Raises:
            CytopipeError: the model is damaged or does not tell its scale.
        """
        return PatchDetector(self.folder, device) if self.by_patches else SegmenterDetector(self.folder, device)


def choices(catalog: Sequence[Shelved], models: Path, segmenter: Path | None = None) -> list[Choice]:
    """Every detector at hand: the named segmenter, those beside the classifiers, those within them, then patches.

    Args:
        catalog: the classifiers.
        models: their folder; segmenters lie in `segmenters/` beside it.
        segmenter: that the user named, or None.
    """
    beside = models.parent / "segmenters"
    folders = [segmenter] if segmenter else []
    folders += [one.folder for one in segmenters(beside)]
    found = {model_id(folder): Choice(folder.resolve().name, folder, False) for folder in reversed(folders)}
    found = dict(reversed(found.items()))
    for one in catalog:
        own = one.folder / SEGMENTER
        if own.is_dir():
            found.setdefault(model_id(own), Choice(f"{SEGMENTER} of {one.name}", own, False))
    patches = [one for one in catalog if CELL in one.spec.classes and one.spec.channels == "rgb"]
    return [*found.values(), *(Choice(f"{one.name} (patches)", one.folder, True) for one in patches)]


def usual(one: Shelved, among: Sequence[Choice], project: Project) -> Choice | None:
    """The detector that belongs to a classifier: that of the project, else its own segmenter, else the first."""
    for folder in (project.detector(one.folder), one.folder / SEGMENTER):
        if folder is not None and is_model(folder):
            own = model_id(folder)
            same = [choice for choice in among if model_id(choice.folder) == own]
            if same:
                return same[0]
    return among[0] if among else None
