"""The network of a cross-validation that has not seen a field, for the evaluation of a screening."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import torch

from cytopipe.adapters.base import AnnotatedField
from cytopipe.data.manifest import Row
from cytopipe.errors import CytopipeError
from cytopipe.models.files import fold_part
from cytopipe.models.folds import Folds
from cytopipe.models.inference.predictor import Predictor


class HeldOutPredictors:
    """The classifier of each field: the network of the fold that tests the cells of the field.

    The mean of all networks would name cells that most of them were trained on.

    Args:
        folds: folds of the classifier; the fields show images of its dataset.
        rows: rows of the dataset's organized manifest.
        device: device to predict on.
        pixel_size_um: as of `Predictor.load`.
    """

    def __init__(
        self, folds: Folds, rows: Iterable[Row], device: torch.device, pixel_size_um: float | None = None
    ) -> None:
        self._folder, self._device, self._pixel_size_um = folds.folder, device, pixel_size_um
        self._folds: dict[str, set[int]] = defaultdict(set)
        for row in rows:
            self._folds[row.group].add(folds.of(row.id))
        self._loaded: dict[Path, Predictor] = {}

    def __call__(self, field: AnnotatedField) -> Predictor:
        """The network that was trained on no cell of this field, with its own decision rule.

        Raises:
            CytopipeError: there is none, because its cells are tested in several folds; or its folder is damaged.
        """
        tested = sorted(self._folds.get(field.group, ()))
        if len(tested) != 1:
            raise CytopipeError(
                f"the cells of the field '{field.id}' are in {len(tested)} folds of the classifier, so that no network "
                "has seen none of them",
                where=self._folder,
                hint="train the classifier again: its folds keep the cells of a field together",
            )
        part = self._folder / fold_part(tested[0])
        if part not in self._loaded:
            self._loaded[part] = Predictor.load(part, self._device, pixel_size_um=self._pixel_size_um)
        return self._loaded[part]
