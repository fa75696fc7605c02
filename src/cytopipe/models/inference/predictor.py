"""Classify images of any size with a model folder; `cytopipe predict`, `cytopipe screen` and the app share this code.

An image is processed as in the pipeline: segmented in its own size, resized to the stored size, classified.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import nn

from cytopipe.core.params import Reading
from cytopipe.data.tensors import make_item
from cytopipe.errors import CytopipeError
from cytopipe.models.bundle import segmenter_of
from cytopipe.models.decision_rule import abnormality, calibrate, confidence_threshold, rule_of
from cytopipe.models.files import fold_part
from cytopipe.models.folder import load_model
from cytopipe.models.folds import Folds
from cytopipe.models.inference.classify import BATCH, class_probabilities, input_transform
from cytopipe.models.inference.segment import Segmentation
from cytopipe.results.model_spec import ModelSpec


@dataclass(frozen=True)
class Prediction:
    """The prediction of a classifier for one image.

    Attributes:
        predicted: the most probable class.
        probabilities: probabilities of all classes in the model's order, float64, as `evaluate` writes them.
        confidence: calibrated probability of the predicted class.
        uncertain: whether the confidence is below the confidence threshold, so that a person should review the image.
        abnormal: calibrated probability of the abnormal classes together; None if no class is abnormal.
        item: S x S x 5 uint8, the stored image with its masks.
        mask: H x W uint8 palette mask in the image's own size; None if the classifier takes no masks.
    """

    predicted: str
    probabilities: np.ndarray
    confidence: float
    uncertain: bool
    abnormal: float | None
    item: np.ndarray
    mask: np.ndarray | None


class Predictor:
    """A classifier with its segmenter.

    Args:
        model: returns N x classes logits.
        spec: specification of the model.
        segmentation: segmenter; required if the classifier takes masks.
        device: device of the model.
        batch_size: images per forward pass.

    Attributes:
        reading: how image files must be read for it.
    """

    def __init__(
        self,
        model: nn.Module,
        spec: ModelSpec,
        segmentation: Segmentation | None,
        device: torch.device,
        batch_size: int = BATCH,
    ) -> None:
        self.model, self.spec, self.segmentation, self.batch_size = model, spec, segmentation, batch_size
        self.rule = rule_of(spec)
        self.transform = input_transform(spec, device)
        self.reading = spec.reading or Reading()

    @classmethod
    def load(cls, folder: Path, device: torch.device, segmenter: Path | None = None) -> Predictor:
        """Load a classifier's model folder, with the segmenter in it unless another is given.

        Raises:
            CytopipeError: a folder is damaged, is not a classifier, holds one network per fold, or lacks a segmenter.
        """
        if Folds.read(folder):
            raise CytopipeError(
                "this holds a network for each fold", where=folder, hint=f"name one: {folder / fold_part(0)}"
            )
        model, spec = load_model(folder, device)
        if spec.task != "classification":
            raise CytopipeError("this model is a segmenter, not a classifier", where=folder)
        segmentation = None
        if spec.channels != "rgb":
            segmentation = Segmentation.load(segmenter or segmenter_of(folder), device)
        return cls(model, spec, segmentation, device)

    @property
    def classes(self) -> Sequence[str]:
        """Names of the classes, in the order of the probabilities."""
        return self.spec.classes

    def __call__(self, images: Iterable[np.ndarray]) -> Iterator[Prediction]:
        """Yield the predictions of H x W x 3 uint8 images, in order; `batch_size` images are read ahead.

        Equal images in equal batches give equal bits; results depend slightly (1e-7) on batch composition.
        """
        waiting = iter(images)
        while some := list(self._items(islice(waiting, self.batch_size))):
            yield from self._predict(np.stack([item for item, _ in some]), [mask for _, mask in some])

    def _items(self, images: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Stored items and masks; only the images of one forward pass of the segmenter are held in memory."""
        size = self.spec.input_size
        if self.segmentation is None:
            for image in images:
                yield make_item(image, np.zeros(image.shape[:2], np.uint8), size), None
            return
        waiting = deque[np.ndarray]()  # waiting for their masks; itertools.tee would hold 57

        def passing() -> Iterator[np.ndarray]:
            for image in images:
                waiting.append(image)
                yield image

        for mask in self.segmentation.masks(passing()):
            yield make_item(waiting.popleft(), mask, size), mask

    def _predict(self, items: np.ndarray, masks: Sequence[np.ndarray | None]) -> Iterator[Prediction]:
        found = class_probabilities(self.model, self.transform, items, self.batch_size, tta=self.spec.tta)
        calibrated = calibrate(self.rule, found)
        threshold, abnormal = confidence_threshold(self.rule), self.rule.abnormal
        scores = abnormality(calibrated, self.classes, abnormal)
        for row, mask in enumerate(masks):
            confidence = float(calibrated[row].max())
            yield Prediction(
                predicted=self.classes[int(found[row].argmax())],
                probabilities=found[row],
                confidence=confidence,
                uncertain=confidence < threshold,
                abnormal=float(scores[row]) if abnormal else None,
                item=items[row],
                mask=mask,
            )
