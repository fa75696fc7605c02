"""What a trained classifier decides beyond its classes, chosen on its validation images and kept in model.json."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from cytopipe.evaluation.decision_rule import choose
from cytopipe.inference.classify import class_probabilities, input_transform
from cytopipe.models.decision_rule import DECISIONS, THREADS
from cytopipe.models.folder import ModelSpec
from cytopipe.training.data import Labelled


def decide(
    model: nn.Module, spec: ModelSpec, validation: Labelled, normal: Sequence[str], device: torch.device
) -> ModelSpec:
    """The specification with what was chosen.

    Args:
        model: as it will be tested.
        spec: its own.
        validation: N x S x S x 5 uint8 items and class indices; the test would be judged by its own choice.
        normal: classes without disease.
        device: where the model is.
    """
    probabilities = class_probabilities(model, input_transform(spec, device), validation.items, tta=spec.tta)
    chosen = choose(validation.labels, probabilities, spec.classes, normal)
    extra = {**spec.extra, DECISIONS: chosen.model_dump(mode="json"), THREADS: torch.get_num_threads()}
    return ModelSpec.model_validate({**spec.model_dump(), "extra": extra})
