"""Maps of a classifier that is the mean of several networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cytopipe.explain.attribution import BLACK, GRAD_CAM, Attribution
from cytopipe.explain.explainer import Explainer
from cytopipe.explain.mean import MeanAttribution
from cytopipe.models.ensemble import members_of, probabilities_of
from cytopipe.models.inference.predictor import Predictor
from fixture_types import SaveClassifier
from made_ensemble import make_ensemble

CPU = torch.device("cpu")


def test_maps_are_the_mean_of_the_members_and_explain_the_mean_probability(
    save_classifier: SaveClassifier, tmp_path: Path
) -> None:
    folder = make_ensemble(tmp_path / "m", lambda place, seed: save_classifier(place, "rgb", seed), count=2)
    predictor = Predictor.load(folder, CPU)
    (prediction,) = predictor([np.random.default_rng(1).integers(0, 256, (24, 24, 3), np.uint8)])
    maps = Explainer(predictor, CPU)(prediction)
    images = predictor.transform(torch.from_numpy(prediction.item[None]))
    black = predictor.transform(torch.zeros((1, 24, 24, 5), dtype=torch.uint8))
    target = torch.tensor([predictor.classes.index(prediction.predicted)])
    each = [Attribution(one, black, black, 1)(images, target, 100) for one in members_of(predictor.model)]
    for method in (BLACK, GRAD_CAM):
        assert np.array_equal(maps[method], (each[0][method][0] + each[1][method][0]) / 2)
    change = (probabilities_of(predictor.model, images) - probabilities_of(predictor.model, black))[0, target].item()
    assert maps[BLACK].sum() == pytest.approx(change, abs=0.01)  # the quadrature's error
    whole = MeanAttribution(predictor.model, black, black, 1)
    shown = whole(images, target, 100)
    assert whole.completeness_gaps(images, target, shown)[BLACK][0] < 0.01
    assert whole.probability_of(images, target)[0] == pytest.approx(prediction.probabilities.max(), abs=1e-12)
