"""The architectures: one flat file each, one registry, one folder format for a trained model.

Importing this package fills the registry; a new architecture is one more file and one more name below.
"""

from __future__ import annotations

from cytopipe.models import attention_unet, convnext_attention, otsu, timm_models
from cytopipe.models.folder import ModelSpec, load_model, save_model
from cytopipe.models.registry import Architecture, architectures, build, count_parameters, find
from cytopipe.models.weights import Normalisation, load_pretrained

__all__ = [
    "Architecture",
    "ModelSpec",
    "Normalisation",
    "architectures",
    "attention_unet",
    "build",
    "convnext_attention",
    "count_parameters",
    "find",
    "load_model",
    "load_pretrained",
    "otsu",
    "save_model",
    "timm_models",
]
