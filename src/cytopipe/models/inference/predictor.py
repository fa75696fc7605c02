"""Classify images of any size with a model folder; `cytopipe predict`, `cytopipe screen` and the app share this code.

An image is processed as in the pipeline: segmented in its own size, fitted into the stored square, classified.
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

from cytopipe.core.params import STRETCH, Reading
from cytopipe.data.imaging.fit import Measured, Placement, place
from cytopipe.data.tensors import make_item
from cytopipe.errors import CytopipeError
from cytopipe.models.attention_pooling import GatedAttention, attention_inputs
from cytopipe.models.bundle import segmenter_of
from cytopipe.models.decision_rule import abnormality, calibrate, confidence_threshold, rule_of
from cytopipe.models.ensemble import load_classifier, mean_of, members_of
from cytopipe.models.familiarity import Familiar, mean_scores, read_familiars
from cytopipe.models.guarantees import named_sets
from cytopipe.models.inference.classify import BATCH, input_transform, probabilities_and_features
from cytopipe.models.inference.segment import Segmentation
from cytopipe.models.patients import read_rule
from cytopipe.results.model_spec import ModelSpec
from cytopipe.results.patients import WEIGHTS, PatientRule

Picture = np.ndarray | Measured  # an array is an image of unknown pixel size


@dataclass(frozen=True)
class Prediction:
    """The prediction of a classifier for one image.

    Attributes:
        predicted: the most probable class.
        probabilities: probabilities of all classes in the model's order, float64, as `evaluate` writes them.
        confidence: calibrated probability of the predicted class.
        uncertain: whether the confidence is below the confidence threshold, or the image is unlike the training images,
            so that a person should review it.
        abnormal: calibrated probability of the abnormal classes together; None if no class is abnormal.
        class_set: classes that contain the true one as often as the model guarantees; None if it does not.
        item: S x S x 5 uint8, the stored image with its masks.
        mask: H x W uint8 palette mask in the image's own size; None if the classifier takes no masks.
        placement: where the image lies in the item; None: it fills it.
        unlike: whether the image is unlike the training images; None: the model does not know them.
        unlike_score: how unlike it is: 0 is a typical image, more than 1 is unlike; None as above.
        attention: energy and value, for a classifier that answers for groups by attention pooling; otherwise None.
    """

    predicted: str
    probabilities: np.ndarray
    confidence: float
    uncertain: bool
    abnormal: float | None
    item: np.ndarray
    mask: np.ndarray | None
    placement: Placement | None = None
    unlike: bool | None = None
    unlike_score: float | None = None
    class_set: tuple[str, ...] | None = None
    attention: tuple[float, float] | None = None


class Predictor:
    """A classifier with its segmenter.

    Args:
        model: returns N x classes logits; may be the mean of several networks.
        spec: specification of the model.
        segmentation: segmenter; required if the classifier takes masks.
        device: device of the model.
        batch_size: images per forward pass.
        pixel_size_um: micrometres of a pixel of the images; None: as each image says.
        familiar: what each of its networks knows of its training images; empty: nothing, in a folder of an older
            version.

    Attributes:
        reading: how image files must be read for it.
        patients: the rule for groups of images; None if it was trained without one.
        cropped: number of images so far of which only the centre was seen, as they are larger than the square at the
            scale of the training.
    """

    def __init__(
        self,
        model: nn.Module,
        spec: ModelSpec,
        segmentation: Segmentation | None,
        device: torch.device,
        batch_size: int = BATCH,
        pixel_size_um: float | None = None,
        familiar: Sequence[Familiar] = (),
    ) -> None:
        self.familiar = familiar
        self.pixel_size_um, self.cropped = pixel_size_um, 0
        self.model, self.spec, self.segmentation, self.batch_size = model, spec, segmentation, batch_size
        self.rule = rule_of(spec)
        self.transform = input_transform(spec, device)
        self.reading = spec.reading or Reading()
        self.patients: PatientRule | None = None
        self.attention: GatedAttention | None = None

    @classmethod
    def load(
        cls, folder: Path, device: torch.device, segmenter: Path | None = None, pixel_size_um: float | None = None
    ) -> Predictor:
        """Load a classifier's model folder, with the segmenter in it unless another is given.

        A folder of several networks (folds or seeds) predicts with the mean of their probabilities.

        Raises:
            CytopipeError: a folder is damaged, is not a classifier, lacks a segmenter, or holds networks of folds
                without a decision rule for their mean, as those of earlier versions do.
        """
        model, spec = load_classifier(folder, device)
        if spec.task != "classification":
            raise CytopipeError("this model is a segmenter, not a classifier", where=folder)
        segmentation = None
        if spec.channels != "rgb":
            segmentation = Segmentation.load(segmenter or segmenter_of(folder), device)
        familiar = read_familiars(folder)
        found = cls(model, spec, segmentation, device, pixel_size_um=pixel_size_um, familiar=familiar)
        found.patients = read_rule(folder)
        if found.patients and found.patients.rule == "abmil":
            found.attention = GatedAttention.load(folder / WEIGHTS)
        return found

    @property
    def classes(self) -> Sequence[str]:
        """Names of the classes, in the order of the probabilities."""
        return self.spec.classes

    def __call__(self, images: Iterable[Picture]) -> Iterator[Prediction]:
        """Yield the predictions of H x W x 3 uint8 images, in order; `batch_size` images are read ahead.

        Equal images in equal batches give equal bits; results depend slightly (1e-7) on batch composition.

        Raises:
            CytopipeError: an image has no place in the square, see `place`.
        """
        waiting = iter(images)
        while some := list(self._items(islice(waiting, self.batch_size))):
            yield from self._predict(some)

    def place(self, picture: Picture) -> Placement:
        """Where an image lies in the square that the classifier sees, by the `fit` of its training.

        Raises:
            CytopipeError: the scale is in micrometres and the image's pixel size is unknown, or the image is too large.
        """
        image = self._measured(picture)
        size = image.pixels.shape[0], image.pixels.shape[1]
        return place(size, self.spec.input_size, self.spec.fit or STRETCH, image.pixel_size_um)

    def _measured(self, picture: Picture) -> Measured:
        pixels, known = (picture.pixels, picture.pixel_size_um) if isinstance(picture, Measured) else (picture, None)
        return Measured(pixels, self.pixel_size_um or known)

    def _items(self, images: Iterable[Picture]) -> Iterator[_Item]:
        """Stored items; only the images of one forward pass of the segmenter are held in memory."""
        if self.segmentation is None:
            for image in images:
                yield self._item(self._measured(image), None)
            return
        waiting = deque[Measured]()  # waiting for their masks; itertools.tee would hold 57

        def passing() -> Iterator[np.ndarray]:
            for image in images:
                waiting.append(self._measured(image))
                yield waiting[-1].pixels

        for mask in self.segmentation.masks(passing()):
            yield self._item(waiting.popleft(), mask)

    def _item(self, image: Measured, mask: np.ndarray | None) -> _Item:
        size, fit = self.spec.input_size, self.spec.fit or STRETCH
        drawn = np.zeros(image.pixels.shape[:2], np.uint8) if mask is None else mask
        pixels = make_item(image.pixels, drawn, size, fit, image.pixel_size_um)
        where = None if fit == STRETCH else self.place(image)
        self.cropped += where is not None and where.crops
        return _Item(pixels, mask, where)

    def _predict(self, some: Sequence[_Item]) -> Iterator[Prediction]:
        items = np.stack([one.pixels for one in some])
        found, unlike, attention = self._classify(items)
        calibrated = calibrate(self.rule, found)
        threshold, abnormal = confidence_threshold(self.rule), self.rule.abnormal
        scores = abnormality(calibrated, self.classes, abnormal)
        sets = named_sets(self.spec, calibrated)
        for row, one in enumerate(some):
            confidence, strange = float(calibrated[row].max()), None if unlike is None else float(unlike[row])
            yield Prediction(
                predicted=self.classes[int(found[row].argmax())],
                probabilities=found[row],
                confidence=confidence,
                uncertain=confidence < threshold or (strange or 0) > 1,
                abnormal=float(scores[row]) if abnormal else None,
                item=items[row],
                mask=one.mask,
                placement=one.placement,
                unlike=None if strange is None else strange > 1,
                unlike_score=strange,
                class_set=sets[row],
                attention=None if attention is None else (float(attention[row, 0]), float(attention[row, 1])),
            )

    def _classify(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Probabilities of stored items, N x classes, scores of unlikeness, N, and energies and values, N x 2."""
        parts = [
            probabilities_and_features(member, self.transform, items, self.batch_size, tta=self.spec.tta)
            for member in members_of(self.model)
        ]
        found = mean_of([probabilities for probabilities, _ in parts])
        features = [of_member for _, of_member in parts]
        unlike = attention = None
        if self.familiar:
            scores = [one.scores(values, items) for one, values in zip(self.familiar, features, strict=True)]
            unlike = mean_scores(scores)
        if self.attention:  # of a single network only
            attention = self.attention.attend(attention_inputs(found, features[0], self.rule, self.classes))
        return found, unlike, attention


@dataclass(frozen=True)
class _Item:
    """A stored item, S x S x 5 uint8, the mask that it was made with, and where the image lies in it."""

    pixels: np.ndarray
    mask: np.ndarray | None
    placement: Placement | None
