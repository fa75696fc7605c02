"""Heat maps of single images, for whoever asks why a classifier said what it said of one."""

from __future__ import annotations

from collections.abc import Collection

import torch

from cytopipe.explain.attribution import BLACK, GRAD_CAM, Attribution, Maps
from cytopipe.inference.predictor import Prediction, Predictor

WANTED = (BLACK, GRAD_CAM)  # exact and cheap; the other methods are for the comparison that `explain` makes
STEPS = 100  # of integrated gradients


class Explainer:
    """Integrated gradients from a black image and, where the network allows it, Grad-CAM.

    Args:
        predictor: of the classifier.
        device: where it is.
        wanted: methods.

    Attributes:
        methods: names of the maps.
        skipped: reason for each method that does not apply to this network.
    """

    def __init__(self, predictor: Predictor, device: torch.device, wanted: Collection[str] = WANTED) -> None:
        self.predictor, self.device = predictor, device
        size = predictor.spec.input_size
        black = predictor.transform(torch.zeros((1, size, size, 5), dtype=torch.uint8))
        self._attribution = Attribution(predictor.model, black, black, baselines=1, wanted=wanted)
        self.methods, self.skipped = self._attribution.methods, self._attribution.skipped

    def __call__(self, prediction: Prediction) -> Maps:
        """H x W float64 a method, of the network's input, for the predicted class."""
        images = self.predictor.transform(torch.from_numpy(prediction.item[None]))
        targets = torch.tensor([self.predictor.classes.index(prediction.predicted)], device=self.device)
        return {method: maps[0] for method, maps in self._attribution(images, targets, STEPS).items()}
