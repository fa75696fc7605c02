"""Speed of ONNX Runtime against torch with the same networks, threads and images, in batches of 1 and 32."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch

from cytopipe.core.params import Params
from cytopipe.deploy.onnx.classifier import ClassifierSource
from cytopipe.deploy.onnx.convert import to_onnx
from cytopipe.deploy.onnx.export import time_export
from cytopipe.deploy.onnx.segmenter import SegmenterSource
from cytopipe.deploy.onnx.source import Source
from cytopipe.models.determinism import make_deterministic
from cytopipe.models.inference.predictor import Predictor
from cytopipe.results.model_spec import DecisionRule
from cytopipe.training.classification import make_classifier
from cytopipe.training.segmentation import make_segmenter

CLASSES = ("a", "b", "c", "d", "e")
NO_HASH = "0" * 64


def measure(params: Params) -> dict[str, Any]:
    """Median milliseconds of both and their ratio, for the first classifier and the first segmenter.

    The networks are untrained, which does not affect their speed.

    Args:
        params: parameters with the networks and the runtime.
    """
    make_deterministic(params.runtime.num_threads)
    results: dict[str, Any] = {"threads": params.runtime.num_threads}
    for name, classifier in list(params.classifiers.items())[:1]:
        size = params.datasets[classifier.dataset].image_size
        model, spec = make_classifier(classifier, CLASSES, size, NO_HASH)
        spec = spec.model_copy(update={"decision_rule": DecisionRule(temperature=1.0)})
        predictor = Predictor(model.eval(), spec, None, torch.device("cpu"))
        results["classifier"] = {"name": name, "image_size": size, **_time(ClassifierSource(predictor))}
    for name, segmenter in [(name, one) for name, one in params.segmenters.items() if one.training][:1]:
        source = SegmenterSource(*make_segmenter(segmenter, NO_HASH))
        results["segmenter"] = {"name": name, "image_size": segmenter.input_size, **_time(source)}
    return results


def _time(source: Source) -> dict[str, Any]:
    data = to_onnx(source.graph, source.of_noise(2)[0], source.outputs, source.metadata, source.description)
    timings = time_export(source, data).items()
    return {
        f"batch_{count}": {name: round(value, 3) for name, value in asdict(timing).items()} for count, timing in timings
    }
