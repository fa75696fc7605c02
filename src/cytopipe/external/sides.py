"""The images of both sides: those of the datasets that a model has learnt from, and those of another laboratory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cytopipe import paths
from cytopipe.core.params import Reading
from cytopipe.data.manifest import Row, read_manifest
from cytopipe.results.dataset import DatasetSummary


@dataclass(frozen=True)
class Side:
    """An organized dataset; `rows` are in the order of ids."""

    name: str
    folder: Path
    rows: Sequence[Row]
    summary: DatasetSummary

    @classmethod
    def read(cls, name: str) -> Side:
        """Read manifest and summary of a dataset of this project.

        Raises:
            CytopipeError: one of them is missing or not valid.
        """
        files = paths.Organized(name)
        return cls(name, files.folder, read_manifest(files.manifest), DatasetSummary.read(files.summary))

    def without(self, ids: frozenset[str]) -> Side:
        """The dataset without some images."""
        return Side(self.name, self.folder, [row for row in self.rows if row.id not in ids], self.summary)


def differing_reading(model: Reading | None, there: Side) -> str:
    """A warning if the images there became 8-bit RGB otherwise than those that the model learnt from; empty if not."""
    own, theirs = (one.model_dump(mode="json") if one else None for one in (model, there.summary.reading))
    if own == theirs:
        return ""
    said = [f"{one}" if one else "8-bit images as they are" for one in (theirs, own)]
    return f"the images of '{there.name}' were read as {said[0]}, those of the training as {said[1]}"
