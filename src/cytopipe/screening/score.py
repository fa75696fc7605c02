"""Screens annotated fields for a score: what params.yaml calls a screening."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from cytopipe import paths
from cytopipe.adapters.base import AnnotatedField
from cytopipe.errors import CytopipeError
from cytopipe.inference.predictor import Predictor
from cytopipe.metrics.detection import Detection, ScreenedField, TrueCell
from cytopipe.models.registry import validate_arguments
from cytopipe.screening.annotated import ScreeningResult
from cytopipe.screening.detectors import CellDetector
from cytopipe.screening.fields import open_field
from cytopipe.screening.patch_detector import PatchDetector
from cytopipe.screening.screen import screen
from cytopipe.screening.segmenter_detector import SegmenterDetector


def load_detector(model: paths.Trained, device: torch.device, arguments: dict[str, Any]) -> CellDetector:
    """The detector of a segmenter, or of a classifier of patches.

    Raises:
        CytopipeError: it cannot find cells, or an argument is unknown or ill-typed.
    """
    builder = SegmenterDetector if model.kind == "segmenters" else PatchDetector
    bound = partial(builder, model.model, device)
    detector: CellDetector = bound(**validate_arguments(bound, arguments, builder.__name__))
    return detector


def screen_fields(
    fields: Iterable[AnnotatedField], detector: CellDetector, predictor: Predictor, margin: float
) -> ScreeningResult:
    """Find and name the cells of annotated fields, in order.

    Args:
        fields: at least one.
        detector: of their cells.
        predictor: of their classes.
        margin: about a found cell's box, share of its longer side.

    Raises:
        CytopipeError: the classifier does not know a class of the annotated cells, or an image does not decode.
    """
    screened: list[ScreenedField] = []
    images: list[Path] = []
    for field in fields:
        if unknown := sorted({cell.label for cell in field.cells}.difference(predictor.classes)):
            raise CytopipeError(
                f"the classifier has no class '{unknown[0]}', which the fields show",
                where=field.image,
                hint=f"take one that was trained on it; this knows {', '.join(predictor.classes)}",
            )
        true = [TrueCell(cell.id, cell.label, cell.cytoplasm) for cell in field.cells]
        with open_field(field.image) as opened:
            found = [
                Detection(one.cell.box, one.cell.contour, one.cell.score, one.prediction.predicted)
                for one in screen(opened, detector, predictor, margin)
                if one.prediction is not None
            ]
            screened.append(ScreenedField(field.id, field.group, opened.height, opened.width, true, found))
        images.append(field.image)
    return ScreeningResult(screened, images, predictor.classes)
