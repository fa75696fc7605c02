"""The columns of a served classifier: what goes in and what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

IMAGE = "image"


def columns(classes: Sequence[str]) -> dict[str, str]:
    """Name and MLflow type of every column that comes out, in order."""
    return {
        "predicted": "string",
        **{f"p_{label}": "double" for label in classes},
        "confidence": "double",
        "uncertain": "boolean",
        "abnormal": "double",
        "error": "string",
    }


def signature(classes: Sequence[str]) -> Any:
    """MLflow's `ModelSignature`; every column that comes out may be missing, as of an image that cannot be read."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    found = [ColSpec(kind, name, required=False) for name, kind in columns(classes).items()]
    return ModelSignature(inputs=Schema([ColSpec("binary", IMAGE)]), outputs=Schema(found))
