"""A screening of whole fields, ready to print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cytopipe.imaging.decode import read_png
from cytopipe.report.curves import Curve, screening_curves
from cytopipe.report.pictures import Picture, photograph, shrink
from cytopipe.report.read import ScreeningResults

FIELD = 720  # longer side of a field on the page, pixels
RANKS = ("worst", "median", "best")


@dataclass(frozen=True)
class FieldView:
    """A drawn field; `rank` says which it is among all, `f1` is of its boxes."""

    id: str
    rank: str
    f1: float | None
    picture: Picture


@dataclass(frozen=True)
class ScreeningView:
    """A screening with its curves and the fields that the stage drew."""

    results: ScreeningResults
    curves: Sequence[Curve]
    fields: Sequence[FieldView]


def screening_view(one: ScreeningResults) -> ScreeningView:
    """Of one screening."""
    return ScreeningView(one, screening_curves(one), _fields(one))


def _fields(one: ScreeningResults) -> list[FieldView]:
    """The fields that lie in the folder of figures, the worst first."""
    scores = {row.field: row.f1 for row in one.fields}
    drawn = [name for name in scores if (one.files.figures / f"{name}.png").is_file()]
    drawn.sort(key=lambda name: (scores[name] or 0.0, name))
    ranks = RANKS if len(drawn) == len(RANKS) else RANKS[::2]  # of two fields none is the middle one
    return [
        FieldView(name, rank, scores[name], photograph(shrink(read_png(one.files.figures / f"{name}.png"), FIELD)))
        for name, rank in zip(drawn, ranks, strict=False)
    ]
