"""Export of a classifier, including resizing, normalisation, test-time augmentation and calibration."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import torch
from torch import nn

from cytopipe.core.params import Scale, plain_fit
from cytopipe.data.imaging.fit import Measured
from cytopipe.deploy.onnx.source import PROBABILITIES, Checked, common_metadata, described
from cytopipe.metrics.temperature import SMALLEST
from cytopipe.models.decision_rule import calibrate
from cytopipe.models.ensemble import mean_of, members_of
from cytopipe.models.inference.classify import class_probabilities, input_transform
from cytopipe.models.inference.predictor import Predictor
from cytopipe.models.inference.tta import ORIENTED, turn
from cytopipe.models.transforms import COLOURS
from cytopipe.results.model_spec import DecisionRule, ModelSpec

CALIBRATED = "calibrated"
CPU = torch.device("cpu")
MASKS = 2  # whole cell, nucleus
COVERED = 0.5  # share of pixels in a random mask


class ClassifierGraph(nn.Module):
    """The computation from stored images to probabilities, in single precision (`evaluate` uses a float64 softmax).

    Args:
        model: returns N x classes logits; of several networks, the file holds each and averages their probabilities.
        spec: specification of the model.
        temperature: temperature of the calibrated probabilities.
    """

    def __init__(self, model: nn.Module, spec: ModelSpec, temperature: float) -> None:
        super().__init__()
        self.members, self.temperature, self.tta = nn.ModuleList(members_of(model)), temperature, spec.tta
        self.transform = input_transform(spec, CPU)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """N x S x S x C uint8 -> probabilities and calibrated probabilities, N x classes float32.

        Calibration is that of `metrics.temperature.apply_temperature`.
        """
        # One large batch instead of one pass per orientation, so that the file contains the network once.
        turned = torch.cat([turn(images, *by) for by in ORIENTED[self.tta]])
        shown = self.transform(turned)
        seen = mean_of([torch.softmax(member(shown).float(), dim=1) for member in self.members])
        probabilities = seen.unflatten(0, (self.tta, -1)).mean(dim=0)
        logits = torch.log(probabilities.clamp(SMALLEST, 1.0))
        return probabilities, torch.softmax(logits / self.temperature, dim=1)


class ClassifierSource:
    """A classifier as a `Source` of an export.

    Args:
        predictor: the loaded classifier.

    Raises:
        CytopipeError: the model holds no decision rule.
    """

    outputs: tuple[str, ...] = (PROBABILITIES, CALIBRATED)
    must_agree = 1.0

    def __init__(self, predictor: Predictor) -> None:
        self.predictor, self.rule, spec = predictor, predictor.rule, predictor.spec
        self.reading = predictor.reading
        self.channels = COLOURS if spec.channels == "rgb" else COLOURS + MASKS
        self.graph: nn.Module = ClassifierGraph(predictor.model, spec, self.rule.temperature).eval()
        self.metadata = {**common_metadata(spec), **metadata(spec, self.rule)}
        count = len(members_of(predictor.model))
        if count > 1:
            self.metadata["networks"] = json.dumps(count)
        seen = "RGB" if spec.channels == "rgb" else "RGB, mask of the cell, mask of the nucleus (0 or 255)"
        self.description = (
            f"images: N x {spec.input_size} x {spec.input_size} x {self.channels} uint8, {seen}. "
            "probabilities, calibrated: N x classes float32; classes, in order, are in the metadata. The class is "
            "that of the largest probability, certain if its calibrated one reaches confidence_threshold (null: "
            "never). An image is called abnormal where the calibrated probabilities of the classes in abnormal add up "
            "to at least the score of a threshold, each of which was chosen for its specificity on validation images."
            + (f" The probabilities are the mean of those of {count} networks." if count > 1 else "")
        ) + described(spec)

    def of_images(self, images: Iterable[np.ndarray]) -> Iterator[Checked]:
        """Items of images as the predictor makes them: segmented and fitted into the square.

        Only two computations on the same items are compared: at a scale in micrometres, a pixel of an image counts as
        one of the square.
        """
        fit = self.predictor.spec.fit
        size = fit.um_per_pixel if isinstance(fit, Scale) else None
        predictions = self.predictor(Measured(image, size) for image in images)
        while some := list(islice(predictions, self.predictor.batch_size)):
            items = np.stack([one.item for one in some])
            yield self._checked(items, np.stack([one.probabilities for one in some]))

    def of_noise(self, count: int) -> Checked:
        """Items of random colours and random binary masks."""
        size = self.predictor.spec.input_size
        rng = np.random.default_rng(0)
        colours = rng.integers(0, 256, (count, size, size, COLOURS), np.uint8)
        masks = np.where(rng.random((count, size, size, MASKS)) < COVERED, 255, 0).astype(np.uint8)
        items = np.concatenate([colours, masks], axis=-1)
        tta = self.predictor.spec.tta
        found = class_probabilities(self.predictor.model, self.predictor.transform, items, count, tta)
        return self._checked(items, found)

    def _checked(self, items: np.ndarray, probabilities: np.ndarray) -> Checked:
        expected = {PROBABILITIES: probabilities, CALIBRATED: calibrate(self.rule, probabilities)}
        return np.ascontiguousarray(items[..., : self.channels]), expected

    def decide(self, probabilities: np.ndarray) -> np.ndarray:
        """N x classes -> N class indices."""
        indices: np.ndarray = probabilities.argmax(axis=1)
        return indices


def metadata(spec: ModelSpec, rule: DecisionRule) -> dict[str, str]:
    """Metadata needed to use the file without cytopipe; values are JSON."""
    values: dict[str, object] = {
        "classes": spec.classes,
        "input_size": spec.input_size,
        "temperature": rule.temperature,
        "confidence_threshold": rule.confidence_threshold,
        "abnormal": rule.abnormal,
        "thresholds": [one.model_dump() for one in rule.thresholds],
    }
    if spec.guarantees and spec.guarantees.sets.least is not None:  # least calibrated probability of a class in the set
        values["class_set"] = {"coverage": spec.guarantees.sets.coverage, "least": spec.guarantees.sets.least}
    if spec.fit:  # how an image becomes such a square, if not by stretching
        values["fit"] = plain_fit(spec.fit)
    return {name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}
