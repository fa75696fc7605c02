"""Screening of one tile of a slide: its cells in all focal planes, each once, classified."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from cytopipe.data.imaging.boxes import with_margin
from cytopipe.data.imaging.fields import Field
from cytopipe.data.imaging.fit import Measured
from cytopipe.models.inference.predictor import Prediction, Predictor
from cytopipe.screening.detectors import TILE, CellDetector, Region, find_cells
from cytopipe.slides.cells import Candidate, SlideCell, moved
from cytopipe.slides.planes import focus, sharpest
from cytopipe.slides.seams import near
from cytopipe.slides.tiles import Tile
from cytopipe.slides.view import View


@dataclass(frozen=True)
class TileScreener:
    """Finds and classifies the cells of tiles.

    A tile is read with a margin in which everything lies that its cells depend on, so that its cells are those of the
    whole slide; they belong to the tile that holds their centre.

    Attributes:
        view: the slide at the scale of the models.
        detector: finds cells in a field, here a tile with its margin.
        predictor: classifies them; None leaves them without a class.
        margin: margin around a cell's box, as a share of its longer side.
        edge: whether to keep cells that the edge of the slide cuts.
    """

    view: View
    detector: CellDetector
    predictor: Predictor | None
    margin: float
    edge: bool = True

    def region(self, tile: Tile) -> Region:
        """The tile with its margin, within the view."""
        return tile.core.widened(self.detector.margin * self.detector.step, self.view.height, self.view.width)

    def __call__(self, tile: Tile) -> list[SlideCell]:
        """The cells whose centre lies in the tile, or so near it that a neighbour might see it there."""
        region = self.region(tile)
        found = [one for plane in range(self.view.slide.planes) for one in self._in_plane(tile, region, plane)]
        return list(self._classified(sharpest(found) if self.view.slide.planes > 1 else found))

    def _in_plane(self, tile: Tile, region: Region, plane: int) -> Iterator[Candidate]:
        size = self.view.height, self.view.width
        image = self.view.read(region.top, region.left, *region.shape, plane)
        field = replace(Field.of(image), pixel_size_um=self.view.mpp)
        for cell in find_cells(field, self.detector, self._at_once(region)):
            placed = moved(cell, region.left, region.top, size)
            if not near(tile.core, placed.box) or (placed.cut and not self.edge):
                continue
            left, top, right, bottom = with_margin(cell.box, self.margin, field.height, field.width)
            x, y, end, low = cell.box
            yield Candidate(placed, image[top:bottom, left:right].copy(), plane, focus(image[y:low, x:end]))

    def _at_once(self, region: Region) -> int:
        """Side of the pieces that the detector sees a region by, in points of its grid.

        A region has its margin already, so that one no larger than a field's tile with its margin is seen as a whole:
        otherwise the rest would be a narrow second piece, which needs a margin of its own.
        """
        side = -(-max(region.shape) // self.detector.step)
        return side if side <= TILE + 2 * self.detector.margin else TILE

    def _classified(self, candidates: list[Candidate]) -> Iterator[SlideCell]:
        pictures = (Measured(one.crop, self.view.mpp) for one in candidates)
        predictions: Iterator[Prediction | None] = (
            iter([None] * len(candidates)) if self.predictor is None else self.predictor(pictures)
        )
        for one, prediction in zip(candidates, predictions, strict=True):
            yield SlideCell(one.cell, prediction, one.plane, one.focus)
