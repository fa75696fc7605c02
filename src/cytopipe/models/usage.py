"""The README.md of a classifier's folder: for somebody who was given the folder and has never seen the pipeline."""

from __future__ import annotations

from cytopipe.models.decision_rule import rule_of
from cytopipe.models.files import SEGMENTER
from cytopipe.models.registry import find
from cytopipe.results.model_spec import ModelSpec

README = "README.md"
_SEES = {
    "rgb": "the image",
    "rgb+masks": f"the image and two masks, cell and nucleus, which `{SEGMENTER}/` predicts",
    "masked": f"the image with everything outside the cell black; `{SEGMENTER}/` predicts the cell",
}


def usage(name: str, spec: ModelSpec) -> str:
    """Markdown that says what a classifier is and how to use it.

    Args:
        name: of the classifier.
        spec: its own, with its decision rule.

    Raises:
        CytopipeError: it holds no decision rule.
    """
    paper = find(spec.architecture).paper
    classes = "\n".join(f"{index}. {label}" for index, label in enumerate(spec.classes))
    confidence_threshold = rule_of(spec).confidence_threshold
    uncertain = (
        "any image"
        if confidence_threshold is None
        else f"an image whose calibrated confidence is below {confidence_threshold:.3f}"
    )
    return f"""# {name}

A classifier of single cells, trained by cytopipe. Architecture: `{spec.architecture}` ({paper}).

Input: one cell per image, in colour, of any size; it is resized to {spec.input_size} x {spec.input_size} pixels. The
network sees {_SEES[spec.channels]}. Classes, in the order of the probabilities:

{classes}

With cytopipe installed, in this folder:

    cytopipe predict . example_0.png
    cytopipe predict . images/ --out predictions.csv --overlay pictures
    cytopipe screen field.png --model .
    cytopipe export . --format onnx

or in Python:

    import torch
    from pathlib import Path
    from cytopipe.imaging.decode import read_rgb
    from cytopipe.inference.predictor import Predictor

    predictor = Predictor.load(Path("."), torch.device("cpu"))
    image, _ = read_rgb(Path("example_0.png"))
    for prediction in predictor([image]):
        print(prediction.predicted, prediction.confidence, prediction.uncertain)

Uncertain is {uncertain}: the threshold was chosen on validation images for 5 % errors among the others. It holds for
images like those of the training; other stains, microscopes and preparations need a test of their own. This is a
research model and not for diagnosis.

| file | what |
|---|---|
| `weights.safetensors` | the weights; no pickle |
| `model.json` | architecture, classes, normalisation, thresholds, hash of the training data |
| `SHA256SUMS` | checked before anything is used |
| `example_*.png` | a validation image of each class, in the stored size |
"""
