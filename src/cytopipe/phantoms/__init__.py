"""Phantoms: synthetic images of cells with known contours, written in the layouts of published datasets.

A writer a layout: `<layout>.write_<layout>(folder, spec, *, seed, fields_per_class, cells_per_field, scale, progress)`;
`cytopipe.sources.phantom` chooses among them.
"""

from __future__ import annotations

from cytopipe.phantoms.sipakmed import write_sipakmed

__all__ = ["write_sipakmed"]
