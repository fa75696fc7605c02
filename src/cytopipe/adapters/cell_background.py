"""DB_3: patches (20 x 20 px) of Pap smear fields that show a cell, or background: stage 1 of the two-stage CNN.

1,600 images for training and 400 for validation. Which field a patch was cut from is published at most by its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from cytopipe.adapters.base import Adapter, Phantoms, Sample
from cytopipe.adapters.layout import GroupPattern, class_folders, group_by_pattern, list_images, missing_classes
from cytopipe.adapters.train_validation import (
    PUBLISHED_SPLIT,
    ValidationOptions,
    group_by_number,
    train_validation_samples,
)

CLASSES = ("background", "cell")
_LABELS = {"background": "background", "backgrounds": "background", "cell": "cell", "cells": "cell"}


class CellBackgroundOptions(ValidationOptions):
    """How the published split is used, and how patches are grouped."""

    group_pattern: GroupPattern | None = Field(
        None, description="regular expression; its first parenthesis, in a file's name without suffix, is the group"
    )


def _samples(raw: Path, options: CellBackgroundOptions) -> Iterator[Sample]:
    folders = class_folders(raw, list_images(raw), _LABELS)
    if fault := missing_classes(folders, CLASSES):
        raise ADAPTER.not_found(raw, fault)

    def group(label: str, stem: str) -> str:
        return group_by_pattern(stem, options.group_pattern) if options.group_pattern else group_by_number(label, stem)

    yield from train_validation_samples(raw, folders, group, options.validation)


ADAPTER = Adapter(
    name="cell_background",
    title="cell and background patches DB_3",
    home="the authors of the two-stage Pap smear CNN; workflow/sources/cell_background.yaml",
    layout="DB_3/{train,validation}/{cell,background}/*",
    group_key="options.group_pattern; otherwise `slide_1 (2).png` is of SLIDE_1, and a patch of another name its own",
    published_split=PUBLISHED_SPLIT,
    classes=CLASSES,
    options=CellBackgroundOptions,
    samples=_samples,
    phantoms=Phantoms("cell_background", table="bethesda", fields_per_class=40, cells_per_field=10, scale=1.0),
)
