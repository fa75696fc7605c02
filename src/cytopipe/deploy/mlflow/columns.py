"""Input and output columns of a served classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cytopipe.results.unfamiliar import UNLIKE, UNLIKE_SCORE

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

IMAGE = "image"


def columns(
    classes: Sequence[str], has_abnormal: bool, *, has_sets: bool = False, is_familiar: bool = False
) -> dict[str, str]:
    """MLflow type of every output column by name, in the order of `cytopipe predict`."""
    return {
        "predicted": "string",
        **{f"p_{label}": "double" for label in classes},
        "confidence": "double",
        "uncertain": "boolean",
        **({"abnormal": "double"} if has_abnormal else {}),
        **({"class_set": "string"} if has_sets else {}),
        **({UNLIKE: "boolean", UNLIKE_SCORE: "double"} if is_familiar else {}),
        "error": "string",
    }


def signature(outputs: Mapping[str, str]) -> ModelSignature:
    """Signature of a model with these output `columns`, all optional: an image that cannot be read has only `error`."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    found: list[ColSpec | TensorSpec] = [ColSpec(kind, name, required=False) for name, kind in outputs.items()]
    return ModelSignature(inputs=Schema([ColSpec("binary", IMAGE)]), outputs=Schema(found))
