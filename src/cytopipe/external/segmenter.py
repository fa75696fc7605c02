"""A trained segmenter on the images with true masks of another laboratory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from cytopipe import paths
from cytopipe.errors import CytopipeError
from cytopipe.evaluation.segmenter.distribution import mean_left_out, segmenter_details, values_of
from cytopipe.evaluation.segmenter.evaluate import overlaps
from cytopipe.external.drops import drop_of
from cytopipe.external.leaks import Leaks
from cytopipe.external.sides import Side, differing_reading
from cytopipe.metrics.clusters import LeftOut
from cytopipe.metrics.registry import of_task
from cytopipe.models.files import model_id
from cytopipe.models.folder import load_model
from cytopipe.models.inference.segment import Segmentation
from cytopipe.results.external import ExternalSegmenter
from cytopipe.results.segmenter import SegmenterPredictions

Progress = Callable[[Iterable[Any], int], Iterable[Any]]


@dataclass(frozen=True)
class SegmenterElsewhere:
    """Overlaps of every image there, and their evaluation."""

    table: Sequence[Mapping[str, Any]]
    details: ExternalSegmenter

    @property
    def predictions(self) -> SegmenterPredictions:
        """The overlaps, as they are stored in predictions.csv."""
        return SegmenterPredictions.of(self.table)


def evaluate_segmenter_elsewhere(
    name: str,
    there: Side,
    trained_on: Sequence[str],
    leaks: Leaks,
    device: torch.device,
    progress: Progress,
    where: str,
) -> SegmenterElsewhere:
    """Segment all images there that have true masks, and compare with the internal test; see `evaluate_classifier`.

    Raises:
        CytopipeError: no image there has a true mask, or the model is not a segmenter.
    """
    files = paths.segmenter(name)
    rows = [row for row in there.without(leaks.copies).rows if row.mask_path]
    if not rows:
        raise CytopipeError(f"no image of '{there.name}' has a true mask to test a segmenter on", where=where)
    model, spec = load_model(files.model, device)
    table = overlaps(Segmentation.of(model, spec, device), there.folder, progress(rows, len(rows)))
    home = [{"group": row.group, **row.scores} for row in SegmenterPredictions.read(files.predictions).rows]
    found = segmenter_details(there.name, table)
    metrics = of_task("segmentation")
    details = ExternalSegmenter(
        model=name,
        identity=model_id(files.model),
        trained_on=tuple(trained_on),
        dataset=there.name,
        images=found.images,
        groups=found.groups,
        home_images=len(home),
        home_groups=len({row["group"] for row in home}),
        copies=len(leaks.copies),
        reading=differing_reading(spec.reading, there),
        leaks=leaks.findings,
        metrics={one.key: drop_of(_mean(home, one.key), _mean(table, one.key), one) for one in metrics},
        undefined={key: f"not defined for {count} images there" for key, count in found.undefined.items()},
        distribution=found.distribution,
    )
    return SegmenterElsewhere(table, details)


def _mean(table: Sequence[Mapping[str, Any]], key: str) -> LeftOut:
    if not table:
        return LeftOut(None, (), np.zeros(0))
    return mean_left_out(values_of(table, key), [row["group"] for row in table])
