"""The README.md of a classifier's folder, written for somebody who has the folder but not the pipeline."""

from __future__ import annotations

from cytopipe.core.params import STRETCH, Scale
from cytopipe.models.decision_rule import rule_of
from cytopipe.models.files import SEGMENTER
from cytopipe.models.registry import find
from cytopipe.results.ensemble import Ensemble
from cytopipe.results.model_spec import ModelSpec

README = "README.md"
_SEES = {
    "rgb": "the image",
    "rgb+masks": f"the image and the masks of cell and nucleus, predicted by the model in `{SEGMENTER}/`",
    "masked": f"the image with everything outside the cell black; the model in `{SEGMENTER}/` predicts the cell",
}


def _range(spec: ModelSpec) -> str:
    """A line about deep images; empty for a model of 8-bit images."""
    if spec.reading is None or spec.reading.range is None:
        return ""
    low, high = spec.reading.range
    return f"Images of more than 8 bits: values {low:g} to {high:g} become 0 to 255 in all of them.\n"


def usage(name: str, spec: ModelSpec, ensemble: Ensemble | None = None) -> str:
    """Describe a classifier and its use, in Markdown.

    Args:
        name: name of the classifier.
        spec: its specification, with a decision rule.
        ensemble: of which networks it is the mean; None for a single one.

    Raises:
        CytopipeError: the specification has no decision rule.
    """
    paper = find(spec.architecture).paper
    classes = "\n".join(f"{index}. {label}" for index, label in enumerate(spec.classes))
    confidence_threshold = rule_of(spec).confidence_threshold
    images = "out-of-fold predictions" if ensemble and ensemble.kind == "folds" else "validation images"
    example = "folds/0/example_0.png" if ensemble and ensemble.kind == "folds" else "example_0.png"
    uncertain = (
        f"Every prediction is uncertain: no threshold reached 5 % errors among the certain ones on {images}."
        if confidence_threshold is None
        else f"A prediction is uncertain if its calibrated confidence is below {confidence_threshold:.3f}, a threshold "
        f"chosen on {images} for 5 % errors among the certain ones."
    )
    return f"""# {name}

A classifier of single cells, trained with cytopipe. Architecture: `{spec.architecture}` ({paper}).
{_networks(ensemble)}
Input: colour images of one cell each, of any size; {_fitted(spec)}.
{_range(spec)}The network takes {_SEES[spec.channels]}. Classes, in the order of the probabilities:

{classes}

With cytopipe installed, in this folder:

    cytopipe predict . {example}
    cytopipe predict . images/ --out predictions.csv --overlay pictures
    cytopipe screen field.png --model .
    cytopipe export . --format onnx

or in Python:

    import torch
    from pathlib import Path
    from cytopipe.data.imaging.decode import read_rgb
    from cytopipe.models.inference.predictor import Predictor

    predictor = Predictor.load(Path("."), torch.device("cpu"))
    image, _ = read_rgb(Path("{example}"), predictor.reading)
    for prediction in predictor([image]):
        print(prediction.predicted, prediction.confidence, prediction.uncertain)

{uncertain}

Threshold and probabilities hold for images like those of the training: test the model on your own images before you use
it with another stain, microscope or preparation. This is a research model and not for diagnosis.

| file | contents |
|---|---|
{_more_files(ensemble)}| `weights.safetensors` | weights; not a pickle |
| `model.json` | architecture, classes, normalisation, thresholds, hash of the training data |
| `SHA256SUMS` | checksums, verified before the model is loaded |
| `example_*.png` | one validation image of each class, in the stored size |
"""


def _networks(ensemble: Ensemble | None) -> str:
    """Of which networks the classifier is the mean; empty for a single network."""
    if ensemble is None:
        return ""
    how = "folds of a cross-validation" if ensemble.kind == "folds" else "trainings with different seeds"
    return f"""
It is the mean of the probabilities of {len(ensemble.members)} networks, from {how}. Its temperature and thresholds were
chosen on {ensemble.chosen_on} ({ensemble.images} images of {ensemble.groups} groups).
Its measured performance is {ensemble.performance}.
"""


def _more_files(ensemble: Ensemble | None) -> str:
    if ensemble is None:
        return ""
    folder = f"`{ensemble.kind}/*/`"
    lines = "| `ensemble.json` | the networks, the thresholds of their mean, what its performance estimates |\n"
    if ensemble.kind == "folds":
        return (
            f"{lines}| `folds.json` | the fold of each image |\n| {folder} | a network each, with the files below |\n"
        )
    return f"{lines}| {folder} | a further network each, with the files below |\n"


def _fitted(spec: ModelSpec) -> str:
    """What becomes of an image, as the end of a sentence."""
    square, fit = f"{spec.input_size} x {spec.input_size} pixels", spec.fit or STRETCH
    if fit == STRETCH:
        return f"they are resized to {square}"
    rest = "and padded with the median colour of their border"
    if not isinstance(fit, Scale):
        return f"they keep their aspect ratio and are resized to fit into {square} {rest}"
    unit = f"{fit.source_pixels:g} of their pixels" if fit.source_pixels else f"{fit.um_per_pixel:g} micrometres"
    return f"they are resized so that a pixel stands for {unit}, cropped to their central {square} {rest}"
