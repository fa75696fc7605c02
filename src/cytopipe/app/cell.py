"""What the page says of the image of one cell: the same engine and the same numbers as `cytopipe predict`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from cytopipe.explain.explainer import Explainer
from cytopipe.explain.overlay import heat_over
from cytopipe.imaging.decode import read_rgb
from cytopipe.imaging.drawing import outlined
from cytopipe.inference.predictor import Prediction, Predictor
from cytopipe.models.decision_rule import calibrate
from cytopipe.results.model_spec import ModelSpec

SIDE = 384  # pixels of the longer side of a picture on the page


@dataclass(frozen=True)
class CellAnswer:
    """What is shown of one image.

    Attributes:
        prediction: as `cytopipe predict` has it.
        spec: of the model that said it.
        calibrated: probability of each class, in the model's order; the largest is the confidence.
        confidence_threshold: confidence from which an answer counts as sure; None where none does.
        abnormal: classes that count as abnormal.
        size: height and width of the image, pixels.
        note: how the file was converted to 8-bit RGB, or None.
        picture: the image, with outlines where the model sees masks; H x W x 3 uint8.
        heat: the heat map over the grey image, like it; None where none was asked for or the network has none.
        no_heat: why there is none, or nothing to see on it.
        seconds: for the classes and for the heat map.
    """

    prediction: Prediction
    spec: ModelSpec
    calibrated: Sequence[float]
    confidence_threshold: float | None
    abnormal: Sequence[str]
    size: tuple[int, int]
    note: str | None
    picture: np.ndarray
    heat: np.ndarray | None
    no_heat: str | None
    seconds: tuple[float, float]


def answer(predictor: Predictor, file: Path, method: str | None) -> CellAnswer:
    """Classify an image file, and explain the class by one method of `explain.attribution`, or by none.

    Raises:
        CytopipeError: when the file cannot be read.
    """
    start = time.perf_counter()
    rgb, note = read_rgb(file)
    (prediction,) = predictor([rgb])
    middle = time.perf_counter()
    shown = scaled(rgb, SIDE)
    weights, no_heat = heat_map(predictor, prediction, method) if method else (None, None)
    rule = predictor.rule
    return CellAnswer(
        prediction=prediction,
        spec=predictor.spec,
        calibrated=calibrate(rule, prediction.probabilities[None])[0].tolist(),
        confidence_threshold=rule.confidence_threshold,
        abnormal=rule.abnormal,
        size=(rgb.shape[0], rgb.shape[1]),
        note=note,
        picture=shown if prediction.mask is None else outlined(shown, prediction.mask),
        heat=None if weights is None else heat_over(shown, weights),
        no_heat=no_heat,
        seconds=(middle - start, time.perf_counter() - middle),
    )


def heat_map(predictor: Predictor, prediction: Prediction, method: str) -> tuple[np.ndarray | None, str | None]:
    """Attribution of the predicted class, S x S float64, or None, and why there is none or nothing positive."""
    explainer = Explainer(predictor, predictor.transform.device, [method])
    if method in explainer.skipped:
        return None, f"it does not apply to this model: {explainer.skipped[method]}"
    weights = explainer(prediction)[method]
    return weights, None if (weights > 0).any() else f"nothing speaks for {prediction.predicted}"


def scaled(image: np.ndarray, side: int) -> np.ndarray:
    """H x W x 3 uint8, its longer side brought to `side` pixels."""
    height, width = image.shape[:2]
    factor = side / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
