"""Encoder and linear probe as one network: a model folder like that of a trained classifier, which `predict` takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from cytopipe import paths
from cytopipe.core.params import STRETCH, Runtime
from cytopipe.data.tensors import load_split
from cytopipe.embeddings.encoder import Encoder
from cytopipe.embeddings.probes import Fitted
from cytopipe.models.bundle import example_images, save_classifier
from cytopipe.models.files import MAIN
from cytopipe.results.dataset import DatasetSummary
from cytopipe.results.tensors import TensorsSummary
from cytopipe.training.decision_rule import choose_rule

ABSENT = -50.0  # logit of a class without training images, which is never predicted


def put_probe(encoder: Encoder, probe: Fitted, scale: float) -> nn.Module:
    """Write a linear probe into the encoder's head, in place: softmax of the logits gives the probe's probabilities.

    Args:
        encoder: the encoder whose features the probe was fitted to.
        probe: a fitted linear probe; its standardisation is folded into the layer.
        scale: factor of the features that it was fitted to.
    """
    standard, regression = probe.pipeline[0], probe.pipeline[-1]
    coefficients, intercept = regression.coef_, regression.intercept_
    if len(regression.classes_) == 2:  # scikit-learn keeps one row, of the second class
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercept = np.concatenate([-intercept, intercept]) / 2
    folded = coefficients / standard.scale_
    weight = np.zeros((probe.classes, folded.shape[1]))
    bias = np.full(probe.classes, ABSENT)
    weight[regression.classes_] = folded * scale
    bias[regression.classes_] = intercept - folded @ standard.mean_
    with torch.no_grad():
        encoder.head.weight.copy_(torch.from_numpy(weight))
        encoder.head.bias.copy_(torch.from_numpy(bias))
    return encoder.model


def save_probe(
    folder: Path, name: str, encoder: Encoder, probe: Fitted, scale: float, dataset: DatasetSummary, runtime: Runtime
) -> None:
    """Write encoder and linear probe into an existing folder.

    The decision rule is chosen on the images that chose the probe's setting, by fits that had not seen them.

    Args:
        folder: the model folder.
        name: name of the embedding, for the README.
        encoder, probe, scale: see `put_probe`.
        dataset: summary of the dataset.
        runtime: threads and processor of the fit.
    """
    tensors, segmenter = paths.Tensors(dataset.dataset), paths.Masks(dataset.dataset).segmenter
    fit = TensorsSummary.read(tensors.summary).fit
    rule = choose_rule(probe.truth, probe.judged, dataset.classes, dataset.normal)
    more = {
        "fit": None if fit == STRETCH else fit,
        "decision_rule": rule,
        "num_threads": runtime.num_threads,
        "cpu": runtime.cpu,
        "reading": dataset.reading,
    }
    spec = encoder.spec.model_copy(update=more)
    items, rows = load_split(tensors.folder, "val")
    examples = example_images(items, [row.class_index for row in rows], dataset.reading is not None, fit)
    network = {MAIN: (put_probe(encoder, probe, scale), spec)}
    save_classifier(folder, name, network, {}, examples, None if spec.channels == "rgb" else segmenter)
