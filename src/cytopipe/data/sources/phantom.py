"""Draw a dataset instead of fetching it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cytopipe.io.folders import Progress
from cytopipe.params import PhantomSource
from cytopipe_phantoms.writers.bethesda import write_bethesda
from cytopipe_phantoms.writers.cell_background import write_cell_background
from cytopipe_phantoms.writers.hep2 import write_hep2
from cytopipe_phantoms.writers.herlev import write_herlev
from cytopipe_phantoms.writers.malaria import write_malaria
from cytopipe_phantoms.writers.sipakmed import write_sipakmed
from cytopipe_phantoms.writers.wbc import write_wbc

WRITERS: dict[str, Callable[..., None]] = {  # by PhantomSource.layout
    "sipakmed": write_sipakmed,
    "herlev": write_herlev,
    "hep2": write_hep2,
    "malaria": write_malaria,
    "bethesda": write_bethesda,
    "cell_background": write_cell_background,
    "wbc": write_wbc,
}


def draw_phantoms(source: PhantomSource, target: Path, progress: Progress | None) -> None:
    """Fill `target` with phantoms in the layout that the source names; the same source gives the same bytes.

    Raises:
        CytopipeError: the source's table or one of its numbers is not valid for the layout.
    """
    WRITERS[source.layout](
        target,
        source.path,
        seed=source.seed,
        fields_per_class=source.fields_per_class,
        cells_per_field=source.cells_per_field,
        scale=source.scale,
        progress=progress,
    )
