"""Slides below a folder."""

from __future__ import annotations

import os
from pathlib import Path

from cytopipe.core.io.folders import refuse_folder
from cytopipe.core.io.litter import is_junk
from cytopipe.slides.opening import SUFFIXES, is_zarr


def slides_below(folder: Path) -> list[Path]:
    """Slides at any depth of a folder by their suffix, sorted, and zarrs, whose own folders are not searched.

    A slide of MRXS has a folder of its own beside it, in which there is none.
    """
    found = []
    for root, folders, names in os.walk(folder, onerror=refuse_folder):
        here = Path(root)
        zarrs = [name for name in folders if is_zarr(here / name)]
        folders[:] = [name for name in folders if name not in zarrs and not is_junk(name)]
        slides = [name for name in names if Path(name).suffix.lower() in SUFFIXES and not is_junk(name)]
        found += [here / name for name in (*zarrs, *slides)]
    return sorted(found)
