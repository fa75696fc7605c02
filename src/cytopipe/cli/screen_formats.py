"""Further formats of the cells of a field, and what their ids are derived from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

if TYPE_CHECKING:
    from cytopipe.screening.outputs import Also


class Format(StrEnum):
    """As in --also."""

    COCO = "coco"
    NGFF = "ngff"


Further = Annotated[
    list[Format] | None,
    typer.Option("--also", help="Also write FIELD.coco.json, or FIELD.labels.zarr (OME-NGFF); may be repeated."),
]


class Written(TypedDict):
    """Arguments of `write_field`."""

    screening: str
    also: list[Also]
    image: str


@dataclass(frozen=True)
class FieldFormats:
    """What is written of a field besides its cells.

    Attributes:
        also: further formats.
        finder: model folder of the detector.
        classifier: model folder of the classifier, if there is one.
        options: those that can change the cells.
    """

    also: list[Format] | None
    finder: Path
    classifier: Path | None
    options: Mapping[str, object] = field(default_factory=dict)

    def of(self, image: Path) -> Written:
        """The arguments for a field.

        Raises:
            CytopipeError: the image cannot be read.
        """
        from cytopipe.screening.identity import screening_of

        screening = screening_of(image, self.finder, self.classifier, self.options)
        return {"screening": screening, "also": [one.value for one in self.also or ()], "image": image.name}
