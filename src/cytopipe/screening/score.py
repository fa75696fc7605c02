"""Screening of annotated fields for evaluation, as the section `screenings` of params.yaml describes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from cytopipe import paths
from cytopipe.adapters.base import AnnotatedField
from cytopipe.data.imaging.fields import open_field
from cytopipe.errors import CytopipeError
from cytopipe.metrics.detection import Detection, ScreenedField, TrueCell
from cytopipe.models.inference.predictor import Predictor
from cytopipe.models.registry import validate_arguments
from cytopipe.screening.annotated import ScreeningResult
from cytopipe.screening.detectors import CellDetector
from cytopipe.screening.field_detector import FieldDetector
from cytopipe.screening.finders import finder_of
from cytopipe.screening.patch_detector import PatchDetector
from cytopipe.screening.screen import field_reading, screen


def load_detector(model: paths.Trained, device: torch.device, arguments: dict[str, Any]) -> CellDetector:
    """Make a cell detector from a segmenter or from a patch classifier.

    Args:
        model: the trained model.
        device: device to predict on.
        arguments: keyword arguments of the detector: `FieldDetector` for a segmenter that was trained on fields,
            `SegmenterDetector` for another one, or `PatchDetector`.

    Raises:
        CytopipeError: the model cannot detect cells, or an argument is unknown or of a wrong type.
    """
    builder = finder_of(model.model) if model.kind == "segmenters" else PatchDetector
    bound = partial(builder, model.model, device)
    detector: CellDetector = bound(**validate_arguments(bound, arguments, builder.__name__))
    return detector


def screen_fields(
    fields: Iterable[AnnotatedField],
    detector: CellDetector,
    predictor: Predictor | Callable[[AnnotatedField], Predictor],
    margin: float,
) -> ScreeningResult:
    """Find and classify the cells of annotated fields, in order.

    Args:
        fields: the fields, at least one.
        detector: finds their cells.
        predictor: classifies them; or a function that gives the predictor of a field, all of the same classes.
        margin: margin around a found cell's box, as a share of its longer side.

    Raises:
        CytopipeError: the classifier lacks a class of the annotated cells, or an image cannot be decoded.
    """
    screened: list[ScreenedField] = []
    images: list[Path] = []
    for field in fields:
        own = predictor if isinstance(predictor, Predictor) else predictor(field)
        reading, classes = field_reading(detector, own), own.classes
        if unknown := sorted({cell.label for cell in field.cells}.difference(classes)):
            raise CytopipeError(
                f"the classifier has no class '{unknown[0]}', which the fields show",
                where=field.image,
                hint=f"take one that was trained on it; this knows {', '.join(classes)}",
            )
        true = [TrueCell(cell.id, cell.label, cell.cytoplasm) for cell in field.cells]
        with open_field(field.image, reading) as opened:
            found = [
                Detection(
                    one.cell.box, one.cell.contour, one.cell.score, said.predicted, said.confidence, said.abnormal
                )
                for one in screen(opened, detector, own, margin)
                if (said := one.prediction) is not None
            ]
            screened.append(ScreenedField(field.id, field.group, opened.height, opened.width, true, found))
        images.append(field.image)
    return ScreeningResult(screened, images, classes, reading, outlines=isinstance(detector, FieldDetector))
