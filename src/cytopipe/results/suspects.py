"""suspects.csv and suspects.json: training images whose label disagrees with out-of-fold predictions.

Test images, and images of a group that has test images, are never among them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from cytopipe.core.io.tables import write_table
from cytopipe.data.manifest import Row
from cytopipe.metrics.label_errors import label_errors
from cytopipe.paths import HOW_SUSPECTED, SUSPECTS
from cytopipe.results.contract import Contract, Record
from cytopipe.results.numbers import Estimate
from cytopipe.results.tables import Table

COLUMNS = ("id", "label", "suggested", "self_confidence", "confidence", "group", "source", "by")


class Suspect(Record):
    """An image whose label may be wrong.

    Attributes:
        label, suggested: its class, and the class that the predictions give it.
        self_confidence, confidence: their probabilities.
        source: the publisher's file, below data/raw/<dataset>/files.
        by: whose predictions these are.
    """

    id: str
    label: str
    suggested: str
    self_confidence: float
    confidence: float
    group: str
    source: str
    by: str


class SuspectsSummary(Contract):
    """How the suspects of a dataset were found.

    Attributes:
        by: whose predictions were used.
        images, groups: numbers of images that were judged, and of their groups.
        beside_test: images of training and validation that were not judged, as their group has test images.
        unjudged: number of images by class of the classes with too few groups to predict.
        reviewed: images that were not judged because a person has corrected or confirmed their label.
        accuracy: balanced accuracy of the predictions against the given labels; None if there are none.
        chance: that of guessing.
        suspects: number of rows of the table.
        withheld: why the table is empty although images may be mislabelled; None if it was not withheld.
    """

    by: str
    images: int
    groups: int
    beside_test: int
    unjudged: dict[str, int]
    reviewed: int
    accuracy: Estimate | None
    chance: float | None
    suspects: int
    withheld: str | None


class Suspects(Record):
    """The suspects, the least self-confident first, and how they were found."""

    rows: tuple[Suspect, ...]
    summary: SuspectsSummary

    @classmethod
    def none(cls, by: str, withheld: str, beside_test: int = 0, unjudged: dict[str, int] | None = None) -> Self:
        """No suspects, and why."""
        summary = SuspectsSummary(
            by=by,
            images=0,
            groups=0,
            beside_test=beside_test,
            unjudged=unjudged or {},
            reviewed=0,
            accuracy=None,
            chance=None,
            suspects=0,
            withheld=withheld,
        )
        return cls(rows=(), summary=summary)

    @classmethod
    def of(
        cls,
        by: str,
        rows: Sequence[Row],
        classes: Sequence[int],
        probabilities: np.ndarray,
        beside_test: int,
        unjudged: dict[str, int],
        reviewed: Collection[str] = (),
    ) -> Self:
        """Judge the labels of images.

        Args:
            by: whose predictions these are.
            rows: N images, none of a test group.
            classes: K class indices, of which each image has one.
            probabilities: N x K, out of fold.
            beside_test, unjudged: see `SuspectsSummary`.
            reviewed: ids of images that a person has looked at; they count, but are not named.
        """
        place = {index: number for number, index in enumerate(classes)}
        names = {row.class_index: row.label for row in rows}
        labels = np.array([place[row.class_index] for row in rows])
        found = label_errors(labels, probabilities, [row.group for row in rows])
        named = [int(position) for position in found.positions if rows[position].id not in reviewed]
        suspects = tuple(
            Suspect(
                id=rows[k].id,
                label=rows[k].label,
                suggested=names[classes[found.suggested[k]]],
                self_confidence=float(found.self_confidence[k]),
                confidence=float(found.confidence[k]),
                group=rows[k].group,
                source=rows[k].source,
                by=by,
            )
            for k in named
        )
        summary = SuspectsSummary(
            by=by,
            images=len(rows),
            groups=len({row.group for row in rows}),
            beside_test=beside_test,
            unjudged=unjudged,
            reviewed=sum(row.id in reviewed for row in rows),
            accuracy=Estimate.of(found.accuracy),
            chance=1 / len(classes),
            suspects=len(suspects),
            withheld=found.withheld or None,
        )
        return cls(rows=suspects, summary=summary)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read both files of a folder.

        Raises:
            CytopipeError: if one is missing or not of its type.
        """
        found = Table.read(folder / SUSPECTS, COLUMNS)
        numbers = ("self_confidence", "confidence")
        rows = [
            Suspect(
                **{name: row[name] for name in COLUMNS if name not in numbers},
                self_confidence=found.number(row, "self_confidence"),
                confidence=found.number(row, "confidence"),
            )
            for row in found.rows
        ]
        return cls(rows=tuple(rows), summary=SuspectsSummary.read(folder / HOW_SUSPECTED))

    def write(self, folder: Path) -> None:
        """Write both files into a folder."""
        write_table(folder / SUSPECTS, [row.model_dump() for row in self.rows], COLUMNS)
        self.summary.write(folder / HOW_SUSPECTED)
