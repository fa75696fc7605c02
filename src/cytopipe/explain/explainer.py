"""Attribution maps of single images, for `cytopipe predict` and the app."""

from __future__ import annotations

from collections.abc import Collection

import torch

from cytopipe.explain.attribution import BLACK, GRAD_CAM, Maps
from cytopipe.explain.mean import MeanAttribution
from cytopipe.models.inference.predictor import Prediction, Predictor

WANTED = (BLACK, GRAD_CAM)  # exact and cheap; the stage `explain` compares them with the other methods
STEPS = 100  # of integrated gradients


class Explainer:
    """Computes integrated gradients from a black image and, if the network allows it, Grad-CAM.

    The maps of several networks are averaged.

    Args:
        predictor: the classifier.
        device: the classifier's device.
        wanted: names of the methods.

    Attributes:
        methods: names of the methods that are applied.
        skipped: for each method that does not apply to this network, the reason.
    """

    def __init__(self, predictor: Predictor, device: torch.device, wanted: Collection[str] = WANTED) -> None:
        self.predictor, self.device = predictor, device
        size = predictor.spec.input_size
        black = predictor.transform(torch.zeros((1, size, size, 5), dtype=torch.uint8))
        self._attribution = MeanAttribution(predictor.model, black, black, baselines=1, wanted=wanted)
        self.methods, self.skipped = self._attribution.methods, self._attribution.skipped

    def __call__(self, prediction: Prediction) -> Maps:
        """Maps for the predicted class: H x W float64 per method, in the size of the network's input."""
        images = self.predictor.transform(torch.from_numpy(prediction.item[None]))
        targets = torch.tensor([self.predictor.classes.index(prediction.predicted)], device=self.device)
        return {method: maps[0] for method, maps in self._attribution(images, targets, STEPS).items()}
