"""Phantoms: synthetic smears with known contours, written in the layouts of published datasets."""

from __future__ import annotations

from cytopipe.phantoms.sipakmed import write_sipakmed

__all__ = ["write_sipakmed"]
