"""The columns of a served classifier: what goes in and what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

IMAGE = "image"


def columns(classes: Sequence[str], has_abnormal: bool) -> dict[str, str]:
    """Name and MLflow type of every column that comes out, in order: those of `cytopipe predict` about an image."""
    return {
        "predicted": "string",
        **{f"p_{label}": "double" for label in classes},
        "confidence": "double",
        "uncertain": "boolean",
        **({"abnormal": "double"} if has_abnormal else {}),
        "error": "string",
    }


def signature(classes: Sequence[str], has_abnormal: bool) -> Any:
    """MLflow's `ModelSignature`; every column that comes out may be missing, as of an image that cannot be read."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    outputs: list[ColSpec | TensorSpec] = [
        ColSpec(kind, name, required=False) for name, kind in columns(classes, has_abnormal).items()
    ]
    return ModelSignature(inputs=Schema([ColSpec("binary", IMAGE)]), outputs=Schema(outputs))
