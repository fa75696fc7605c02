"""Classify and explain the image of a single cell, with the same engine and numbers as `cytopipe predict`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from cytopipe.data.imaging.decode import read_image
from cytopipe.data.imaging.drawing import outlined
from cytopipe.data.imaging.fit import Measured
from cytopipe.explain.explainer import Explainer
from cytopipe.explain.overlay import heat_over
from cytopipe.models.decision_rule import calibrate
from cytopipe.models.inference.predictor import Prediction, Predictor
from cytopipe.results.model_spec import ModelSpec

SIDE = 384  # longer side of a displayed picture, pixels


@dataclass(frozen=True)
class CellResult:
    """The prediction for one image and the pictures that go with it.

    Attributes:
        prediction: the same as from `cytopipe predict`.
        spec: specification of the classifier.
        calibrated: calibrated probability of each class, in the order of `spec.classes`; the largest is the confidence.
        confidence_threshold: predictions below it are uncertain; None: the model has no such threshold.
        abnormal: classes that count as abnormal.
        size: height and width of the image, pixels.
        note: how the file was converted to 8-bit RGB, or None.
        picture: H x W x 3 uint8, the image, with the outlines of the masks if the model uses them.
        heatmap: H x W x 3 uint8, heat map over the grey image; None if not requested or not available.
        no_heatmap: why there is no heat map, or why it is blank; None if there is nothing to explain.
        seconds: time for the classification and for the heat map.
    """

    prediction: Prediction
    spec: ModelSpec
    calibrated: Sequence[float]
    confidence_threshold: float | None
    abnormal: Sequence[str]
    size: tuple[int, int]
    note: str | None
    picture: np.ndarray
    heatmap: np.ndarray | None
    no_heatmap: str | None
    seconds: tuple[float, float]


def classify_cell(predictor: Predictor, file: Path, method: str | None) -> CellResult:
    """Classify an image file and explain the predicted class.

    Args:
        predictor: the classifier.
        file: image of a single cell.
        method: a method of `explain.attribution`; None skips the explanation.

    Raises:
        CytopipeError: the file cannot be read.
    """
    start = time.perf_counter()
    decoded = read_image(file, predictor.reading)
    rgb, note = decoded.rgb, decoded.note
    (prediction,) = predictor([Measured(rgb, decoded.pixel_size_um)])
    middle = time.perf_counter()
    shown = scaled(rgb, SIDE)
    weights, no_heatmap = explain_class(predictor, prediction, method) if method else (None, None)
    rule = predictor.rule
    return CellResult(
        prediction=prediction,
        spec=predictor.spec,
        calibrated=calibrate(rule, prediction.probabilities[None])[0].tolist(),
        confidence_threshold=rule.confidence_threshold,
        abnormal=rule.abnormal,
        size=(rgb.shape[0], rgb.shape[1]),
        note=note,
        picture=shown if prediction.mask is None else outlined(shown, prediction.mask),
        heatmap=None if weights is None else heat_over(shown, weights, prediction.placement),
        no_heatmap=no_heatmap,
        seconds=(middle - start, time.perf_counter() - middle),
    )


def explain_class(predictor: Predictor, prediction: Prediction, method: str) -> tuple[np.ndarray | None, str | None]:
    """Attribution of the predicted class (S x S float64, or None), and the reason if it is missing or not positive."""
    explainer = Explainer(predictor, predictor.transform.device, [method])
    if method in explainer.skipped:
        return None, f"it does not apply to this model: {explainer.skipped[method]}"
    weights = explainer(prediction)[method]
    return weights, None if (weights > 0).any() else f"nothing speaks for {prediction.predicted}"


def scaled(image: np.ndarray, side: int) -> np.ndarray:
    """Resize an H x W x 3 uint8 image so that its longer side has `side` pixels."""
    height, width = image.shape[:2]
    factor = side / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
