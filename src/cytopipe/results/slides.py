"""Results of a whole slide: what was read of it, and how many cells were found."""

from __future__ import annotations

from cytopipe.results.contract import Contract


class SlideSummary(Contract):
    """What was screened of a slide, and what was found.

    Attributes:
        slide: name of its file.
        width, height: of its full resolution, pixels.
        mpp: micrometres of a pixel of it; None: not known.
        read_mpp: micrometres of a pixel as the models saw it; None: not known.
        level: level of the pyramid that was read, from 0.
        planes: number of focal planes, all of which were screened.
        tile: side of a tile, pixels as the models saw them.
        tiles: number of tiles.
        empty: how many of them show no tissue and were skipped.
        tissue: share of the slide that is tissue.
        seams: number of cells that were dropped because a neighbouring tile has them.
        cells: number of cells.
        classes: number of cells of each class.
        uncertain, cut: numbers of cells whose class is uncertain, and that the edge of the slide cuts.
        unlike: number of cells that are unlike the training images; None: the classifier does not know these.
    """

    slide: str
    width: int
    height: int
    mpp: float | None
    read_mpp: float | None
    level: int
    planes: int
    tile: int
    tiles: int
    empty: int
    tissue: float
    seams: int
    cells: int
    classes: dict[str, int]
    uncertain: int
    cut: int
    unlike: int | None
