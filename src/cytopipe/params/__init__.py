"""Typed parameters: unknown keys are refused with the nearest known one, values out of range name their key.

`workflow/schemas/params.schema.json` is exported from here for editors.
"""

from __future__ import annotations

from cytopipe.params.datasets import (
    DEVELOPMENT,
    SPLITS,
    ArchiveSource,
    Dataset,
    PhantomSource,
    RecipeSource,
    Source,
    Split,
)
from cytopipe.params.file import Audit, Explain, Params, Runtime, Tracking, load_params, parse_params, schema
from cytopipe.params.networks import Activation, Channels, Classifier, Head, Segmenter, View
from cytopipe.params.screenings import Screening
from cytopipe.params.section import Name, Section, describe
from cytopipe.params.training import Augmentation, Normalisation, Plateau, Training

__all__ = [
    "DEVELOPMENT",
    "SPLITS",
    "Activation",
    "ArchiveSource",
    "Audit",
    "Augmentation",
    "Channels",
    "Classifier",
    "Dataset",
    "Explain",
    "Head",
    "Name",
    "Normalisation",
    "Params",
    "PhantomSource",
    "Plateau",
    "RecipeSource",
    "Runtime",
    "Screening",
    "Section",
    "Segmenter",
    "Source",
    "Split",
    "Tracking",
    "Training",
    "View",
    "describe",
    "load_params",
    "parse_params",
    "schema",
]
