"""A screening of whole fields, prepared for the template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cytopipe.data.imaging.decode import read_png
from cytopipe.report.curves import Curve, screening_curves
from cytopipe.report.found_cells import FoundView, found_view
from cytopipe.report.pictures import Picture, photograph, shrink
from cytopipe.report.read import ScreeningResults

FIELD = 720  # longer side of a field in the report, pixels
RANKS = ("worst", "median", "best")


@dataclass(frozen=True)
class FieldView:
    """A drawn field; `rank` is worst, median or best, by the F1 of its boxes."""

    id: str
    rank: str
    f1: float | None
    picture: Picture


@dataclass(frozen=True)
class ScreeningView:
    """A screening with its curves, drawn fields and found cells."""

    results: ScreeningResults
    curves: Sequence[Curve]
    fields: Sequence[FieldView]
    found: FoundView


def screening_view(one: ScreeningResults) -> ScreeningView:
    """Prepare one screening."""
    return ScreeningView(one, screening_curves(one), _fields(one), found_view(one))


def _fields(one: ScreeningResults) -> list[FieldView]:
    """The fields in the folder of figures, worst first."""
    scores = {row.field: row.f1 for row in one.fields}
    drawn = [name for name in scores if (one.files.figures / f"{name}.png").is_file()]
    drawn.sort(key=lambda name: (scores[name] or 0.0, name))
    ranks = RANKS if len(drawn) == len(RANKS) else RANKS[::2]  # two fields have no median
    return [
        FieldView(name, rank, scores[name], photograph(shrink(read_png(one.files.figures / f"{name}.png"), FIELD)))
        for name, rank in zip(drawn, ranks, strict=False)
    ]
