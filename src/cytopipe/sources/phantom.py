"""Draw a dataset instead of fetching it."""

from __future__ import annotations

from pathlib import Path

from cytopipe.files import Progress
from cytopipe.params import PhantomSource
from cytopipe.phantoms import write_sipakmed


def draw_phantoms(source: PhantomSource, target: Path, progress: Progress | None) -> None:
    """Fill `target` with phantoms in SIPaKMeD's layout; the same source gives the same bytes."""
    write_sipakmed(
        target,
        source.path,
        seed=source.seed,
        fields_per_class=source.fields_per_class,
        cells_per_field=source.cells_per_field,
        scale=source.scale,
        progress=progress,
    )
