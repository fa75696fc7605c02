"""Whole fields of view: find the cells, each once, and classify them."""

from __future__ import annotations

from cytopipe.screening.cells import FoundCell
from cytopipe.screening.fields import Field, open_field
from cytopipe.screening.finders import Evidence, Finder, find_cells
from cytopipe.screening.patches import PatchFinder
from cytopipe.screening.screen import Screened, screen
from cytopipe.screening.segmenter import SegmenterFinder

__all__ = [
    "Evidence",
    "Field",
    "Finder",
    "FoundCell",
    "PatchFinder",
    "Screened",
    "SegmenterFinder",
    "find_cells",
    "open_field",
    "screen",
]
