"""Input and output columns of a served classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

IMAGE = "image"


def columns(classes: Sequence[str], has_abnormal: bool, has_sets: bool = False) -> dict[str, str]:
    """MLflow type of every output column by name, in the order of `cytopipe predict`."""
    return {
        "predicted": "string",
        **{f"p_{label}": "double" for label in classes},
        "confidence": "double",
        "uncertain": "boolean",
        **({"abnormal": "double"} if has_abnormal else {}),
        **({"class_set": "string"} if has_sets else {}),
        "error": "string",
    }


def signature(classes: Sequence[str], has_abnormal: bool, has_sets: bool = False) -> ModelSignature:
    """Signature of the model; every output is optional, because it is missing for an image that cannot be read."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    outputs: list[ColSpec | TensorSpec] = [
        ColSpec(kind, name, required=False) for name, kind in columns(classes, has_abnormal, has_sets).items()
    ]
    return ModelSignature(inputs=Schema([ColSpec("binary", IMAGE)]), outputs=Schema(outputs))
