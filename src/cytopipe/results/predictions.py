"""Predictions of a classifier: true class, predicted class and probabilities of every image.

predictions.csv holds the test images, training/validation.csv the images that chose the decision rule: the validation
images, or in a cross-validation all of them, each predicted by the network of its fold.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from cytopipe.core.io.tables import write_table
from cytopipe.errors import CytopipeError
from cytopipe.results.contract import BROKEN, Record
from cytopipe.results.tables import Table

_SCORE = "p_"  # prefix of the columns with the probability of a class
_NEEDED = ("id", "group", "label", "predicted")


class Prediction(Record):
    """One image; `probabilities` are in the order of the classes."""

    id: str
    group: str
    label: str
    predicted: str
    probabilities: tuple[float, ...]

    @property
    def correct(self) -> bool:
        """Whether the predicted class is the true one."""
        return self.label == self.predicted

    @property
    def confidence(self) -> float:
        """The probability of the predicted class, which is the highest."""
        return max(self.probabilities)


class Predictions(Record):
    """Predictions of a classifier: class names in the order of indices, and one row per image, sorted by id."""

    classes: tuple[str, ...]
    rows: tuple[Prediction, ...]

    @classmethod
    def of(cls, classes: Sequence[str], rows: Sequence[Prediction]) -> Self:
        """Make predictions from class names and rows."""
        return cls(classes=tuple(classes), rows=tuple(rows))

    @classmethod
    def of_images(
        cls,
        classes: Sequence[str],
        images: Sequence[tuple[str, str, str]],
        probabilities: np.ndarray,
    ) -> Self:
        """Make predictions from (id, group, label) of N images and N x classes probabilities."""
        named = zip(images, probabilities.argmax(axis=1), probabilities.tolist(), strict=True)
        return cls.of(
            classes,
            [
                Prediction(id=identity, group=group, label=label, predicted=classes[index], probabilities=tuple(values))
                for (identity, group, label), index, values in named
            ],
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check the table.

        Raises:
            CytopipeError: if it is missing, not a table, or names a class that has no probability.
        """
        return cls._of(Table.read(path, _NEEDED))

    @classmethod
    def parse(cls, data: bytes, where: str | Path) -> Self:
        """Check the content of a table that is stored elsewhere, such as in git; raises errors like `read`."""
        return cls._of(Table.parse(data, where, _NEEDED))

    @classmethod
    def _of(cls, table: Table) -> Self:
        scores = [name for name in table.columns if name.startswith(_SCORE)]
        classes = tuple(name.removeprefix(_SCORE) for name in scores)
        rows = []
        for line in table.rows:
            if strange := {line["label"], line["predicted"]}.difference(classes):
                raise CytopipeError(
                    f"the class '{min(strange)}' of '{line['id']}' has no probability", where=table.where, hint=BROKEN
                )
            values = tuple(table.number(line, name) for name in scores)
            rows.append(Prediction(**{name: line[name] for name in _NEEDED}, probabilities=values))
        return cls(classes=classes, rows=tuple(rows))

    @property
    def text(self) -> str:
        """The table as text."""
        with tempfile.TemporaryDirectory() as folder:
            self.write(Path(folder) / "predictions.csv")
            return (Path(folder) / "predictions.csv").read_text(encoding="utf-8")

    def write(self, path: Path) -> None:
        """Write the table, probabilities with six significant digits."""
        scores = [f"{_SCORE}{label}" for label in self.classes]
        rows = (
            {
                **{name: getattr(row, name) for name in _NEEDED},
                **dict(zip(scores, row.probabilities, strict=True)),
            }
            for row in self.rows
        )
        write_table(path, rows, (*_NEEDED, *scores))

    @cached_property
    def truth(self) -> np.ndarray:
        """N class indices."""
        place = {label: index for index, label in enumerate(self.classes)}
        return np.array([place[row.label] for row in self.rows], int)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """N x classes."""
        return np.array([row.probabilities for row in self.rows]).reshape(len(self.rows), len(self.classes))

    @cached_property
    def correct(self) -> np.ndarray:
        """N numbers: 1 if the predicted class is the true one, else 0."""
        return np.array([row.correct for row in self.rows], float)

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the N images."""
        return tuple(row.id for row in self.rows)

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups of the N images."""
        return tuple(row.group for row in self.rows)
