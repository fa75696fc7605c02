"""Draw a dataset instead of fetching it."""

from __future__ import annotations

from pathlib import Path

from cytopipe.core.io.folders import Progress
from cytopipe.core.params import PhantomSource
from cytopipe_phantoms.registry import find_writer
from cytopipe_phantoms.writer import Request


def draw_phantoms(
    source: PhantomSource, target: Path, *, dataset: str, progress: Progress | None, workers: int
) -> None:
    """Fill `target` with phantoms in the layout that the source names; the same source gives the same bytes.

    Args:
        source: layout, biology table, seed and size.
        target: an existing empty folder.
        dataset: name in params.yaml, for messages.
        progress: called with the fields done and their total.
        workers: number of processes that draw.

    Raises:
        CytopipeError: no phantoms have this layout, or the source's table or one of its numbers is not valid for it.
    """
    writer = find_writer(source.layout, f"datasets.{dataset}.source.layout")
    request = Request(source.seed, source.fields_per_class, source.cells_per_field, source.scale)
    writer.write(target, source.path, request, progress, workers=workers)
