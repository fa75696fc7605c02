"""The architectures: one flat file each, one registry, one folder format for a trained model.

Importing this package fills the registry; a new architecture is one more file and one more name below.
"""

from __future__ import annotations

from cytopipe.model_files import FOLDS, SEGMENTER, examples_of, model_id
from cytopipe.models import (
    alexnet_hep2,
    attention_unet,
    cell_background,
    convnext_attention,
    densenet_attention,
    malaria_vgg,
    otsu,
    region_pooling,
    residual_attention,
    resnet50_dropout,
    resnet50_frozen,
    timm_models,
)
from cytopipe.models.bundle import copy_segmenter, example_images, segmenter_of
from cytopipe.models.folder import MAIN, ModelSpec, load_model, part_of, read_folds, save_model, seed_part
from cytopipe.models.frozen import freeze, train_mode
from cytopipe.models.heads import build_classifier, replace_activations, replace_head, tail_of
from cytopipe.models.registry import Architecture, architectures, build, count_parameters, find, validate_arguments
from cytopipe.models.weights import Normalisation, load_pretrained

__all__ = [
    "FOLDS",
    "MAIN",
    "SEGMENTER",
    "Architecture",
    "ModelSpec",
    "Normalisation",
    "alexnet_hep2",
    "architectures",
    "attention_unet",
    "build",
    "build_classifier",
    "cell_background",
    "convnext_attention",
    "copy_segmenter",
    "count_parameters",
    "densenet_attention",
    "example_images",
    "examples_of",
    "find",
    "freeze",
    "load_model",
    "load_pretrained",
    "malaria_vgg",
    "model_id",
    "otsu",
    "part_of",
    "read_folds",
    "region_pooling",
    "replace_activations",
    "replace_head",
    "residual_attention",
    "resnet50_dropout",
    "resnet50_frozen",
    "save_model",
    "seed_part",
    "segmenter_of",
    "tail_of",
    "timm_models",
    "train_mode",
    "validate_arguments",
]
