"""Paths of whole slides that are screened."""

from __future__ import annotations

from pathlib import Path

from cytopipe.paths import Entry


class SlideResults(Entry):
    """What was found on a whole slide."""

    parent = Path("results/slides")

    @property
    def cells(self) -> Path:
        """One row a cell."""
        return self.folder / "cells.csv"

    @property
    def features(self) -> Path:
        """The cells as GeoJSON, for QuPath."""
        return self.folder / "cells.geojson"

    @property
    def picture(self) -> Path:
        """The slide with the cells drawn in."""
        return self.folder / "cells.png"

    @property
    def summary(self) -> Path:
        """What was read of it, and counts."""
        return self.folder / "summary.json"
