"""The layout of DB_3 and DB_4 of the two-stage Pap smear CNN: `{train,validation}/<class>/`, no images for testing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field

from cytopipe.adapters.base import Options, Sample
from cytopipe.adapters.layout import ClassFolder, safe_id
from cytopipe.core.params import DEVELOPMENT

PUBLISHED_SPLIT = "train/ and validation/; with options.validation: test, tested on validation/, val drawn from train/"


_NUMBERED = re.compile(r"^([a-z]+_\d+)_? ?\(\d+\)", re.IGNORECASE)


def group_by_number(label: str, stem: str) -> str:
    """`HSIL_1 (2)` and `HSIL_1 (3)` are of one group, HSIL_1; a file without a second number is its own."""
    match = _NUMBERED.match(stem)
    return match[1].upper() if match else f"{label}_{stem}"


class ValidationOptions(Options):
    """How the publisher's validation images are used, with `split.kind: published`."""

    validation: Literal["val", "test"] = Field(
        "val",
        description="of split.kind: published; test: the folder validation/ is for testing, as in the published "
        "figures, and split.val of train/ for validation. With val there are no test images, which is an error",
    )


def train_validation_samples(
    raw: Path,
    folders: list[ClassFolder],
    group_of: Callable[[str, str], str],
    validation: Literal["val", "test"],
) -> Iterator[Sample]:
    """One sample per image; ids begin with the split, because a file's name can stand in both folders.

    Args:
        raw: the dataset's files.
        folders: of the classes.
        group_of: label and file stem -> group.
        validation: as in the options.
    """
    meaning = {"train": DEVELOPMENT if validation == "test" else "train", "val": validation, "test": "test"}
    for found in folders:
        for name in found.images:
            stem = PurePosixPath(name).stem
            id_ = safe_id(*([found.split] if found.split else []), found.label, stem)
            group = group_of(found.label, stem)
            yield Sample(
                id_, raw / found.folder / name, found.label, group, meaning.get(found.split or "", found.split)
            )
