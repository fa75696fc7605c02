"""Typed parameters of the pipeline; errors name the faulty key, and for an unknown key the nearest known one.

`python workflow/export_schema.py` writes their JSON schema, which editors use.
"""

from __future__ import annotations

from cytopipe.core.params.datasets import (
    DEVELOPMENT,
    SPLITS,
    ArchiveSource,
    Dataset,
    LeaveOut,
    PhantomSource,
    RecipeSource,
    Source,
    Split,
)
from cytopipe.core.params.embeddings import Embedding, Probe, Regions
from cytopipe.core.params.evaluations import ExternalEvaluation, learnt_from
from cytopipe.core.params.file import Audit, Cpu, Explain, Params, Runtime, Tracking, load_params, parse_params, schema
from cytopipe.core.params.fit import STRETCH, Fit, Scale, plain_fit
from cytopipe.core.params.former import refuse_former_values
from cytopipe.core.params.guarantees import Guarantees
from cytopipe.core.params.networks import (
    HUB_WEIGHTS,
    PACKAGE_WEIGHTS,
    RANDOM_WEIGHTS,
    Activation,
    Channels,
    Classifier,
    Head,
    Segmenter,
    View,
)
from cytopipe.core.params.patients import AttentionPooling, Patients
from cytopipe.core.params.reading import FULL, Alpha, Picked, Reading, check_range
from cytopipe.core.params.screenings import Screening
from cytopipe.core.params.searches import Dimension, Halving, Search, SearchFolds
from cytopipe.core.params.section import Name, Section, describe
from cytopipe.core.params.training import (
    Augmentation,
    Ema,
    LastBlocks,
    Lora,
    Normalisation,
    Plateau,
    SelfSupervised,
    Training,
)

__all__ = [
    "DEVELOPMENT",
    "FULL",
    "HUB_WEIGHTS",
    "PACKAGE_WEIGHTS",
    "RANDOM_WEIGHTS",
    "SPLITS",
    "STRETCH",
    "Activation",
    "Alpha",
    "ArchiveSource",
    "AttentionPooling",
    "Audit",
    "Augmentation",
    "Channels",
    "Classifier",
    "Cpu",
    "Dataset",
    "Dimension",
    "Ema",
    "Embedding",
    "Explain",
    "ExternalEvaluation",
    "Fit",
    "Guarantees",
    "Halving",
    "Head",
    "LastBlocks",
    "LeaveOut",
    "Lora",
    "Name",
    "Normalisation",
    "Params",
    "Patients",
    "PhantomSource",
    "Picked",
    "Plateau",
    "Probe",
    "Reading",
    "RecipeSource",
    "Regions",
    "Runtime",
    "Scale",
    "Screening",
    "Search",
    "SearchFolds",
    "Section",
    "Segmenter",
    "SelfSupervised",
    "Source",
    "Split",
    "Tracking",
    "Training",
    "View",
    "check_range",
    "describe",
    "learnt_from",
    "load_params",
    "parse_params",
    "plain_fit",
    "refuse_former_values",
    "schema",
]
