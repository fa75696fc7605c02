"""Outputs of a slide: its parts merged into a table, GeoJSON, a picture and a summary; all or none."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from cytopipe.core.io.atomic import AtomicOutputs
from cytopipe.data.imaging.decode import encode_png, resize_rgb
from cytopipe.data.imaging.fields import Field
from cytopipe.errors import CytopipeError
from cytopipe.results.slides import SlideSummary
from cytopipe.screening.geojson import GeoJsonWriter
from cytopipe.screening.outputs import Tally, columns_of, row_of
from cytopipe.screening.picture import UNCLASSIFIED, Picture, class_colours
from cytopipe.screening.screen import ScreenedCell
from cytopipe.slides.cells import SlideCell, scaled
from cytopipe.slides.part_file import Header, read_cells, read_header
from cytopipe.slides.seams import Seen, at_seam, dropped, owns
from cytopipe.slides.slide import Slide
from cytopipe.slides.tiles import grid
from cytopipe.slides.view import View

OF_PLANES = ("plane", "focus")
Watch = Callable[[Iterable[ScreenedCell]], Iterable[ScreenedCell]]


@dataclass(frozen=True)
class SlideFiles:
    """Where the outputs of a slide go."""

    table: Path
    features: Path
    picture: Path
    summary: Path

    @classmethod
    def of(cls, folder: Path, name: str) -> SlideFiles:
        """The files in a folder of several slides."""
        return cls(*(folder / f"{name}{suffix}" for suffix in (".csv", ".geojson", ".png", ".json")))


@dataclass
class Merge:
    """The parts of a slide, from which its cells are read in the order of the tiles.

    Attributes:
        parts: their files, in order.
        header: the header of the first.
        gone: places of cells that are another tile's.
    """

    parts: list[Path]
    header: Header
    gone: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, parts: list[Path]) -> Merge:
        """Check that the parts belong together, and find the cells that two of their tiles have.

        Raises:
            CytopipeError: a part is missing, damaged, or of another slide, model or setting.
        """
        headers = [read_header(path) for path in parts]
        first = headers[0]
        for path, other in zip(parts, headers, strict=True):
            if replace(other, part=1) != replace(first, part=1):
                raise CytopipeError(
                    "this part is of another slide, other models or other options than the first",
                    where=path,
                    hint="run all parts with the same options",
                )
        return cls(parts, first, dropped(_seen(parts, first)))

    @property
    def cells(self) -> Iterator[SlideCell]:
        """The cells; coordinates are pixels of the view."""
        for order, (_, cell) in enumerate(_all(self.parts)):
            if order not in self.gone:
                yield cell


def _all(parts: Iterable[Path]) -> Iterator[tuple[int, SlideCell]]:
    for path in parts:
        yield from read_cells(path)


def _seen(parts: list[Path], header: Header) -> Iterator[Seen]:
    cores = {tile.number: tile.core for tile in grid(header.size, header.tile)}
    for order, (tile, one) in enumerate(_all(parts)):
        if at_seam(cores[tile], one.cell.box):
            yield Seen(tile, order, one.cell.box, owns(cores[tile], one.cell.box))


def merge(files: SlideFiles | None, slide: Slide, parts: list[Path], watch: Watch = iter) -> tuple[Tally, SlideSummary]:
    """Make the outputs of a slide from all its parts.

    Args:
        files: where they go; None: they are only counted.
        slide: the slide, for the picture.
        parts: the files of its parts, in order.
        watch: passes the cells on, in the order of the table.

    Raises:
        CytopipeError: as `Merge.of`; or a file cannot be written, and then none of them changes.
    """
    merged = Merge.of(parts)
    header, full = merged.header, slide.levels[0]
    size = full.height, full.width

    def placed() -> Iterator[SlideCell]:
        for one in merged.cells:
            yield replace(one, cell=scaled(one.cell, header.factor, size))

    tally = Tally.of(header.classes, header.is_familiar)
    if files is None:
        for one in watch(placed()):
            tally.add(one)
        return tally, _summary(header, size, tally, len(merged.gone))
    try:
        with AtomicOutputs() as outputs:
            where = {one: outputs.path(one) for one in (files.table, files.features, files.picture, files.summary)}
            paths = SlideFiles(*where.values())
            _write(paths, slide, watch(placed()), header, tally)
            found = _summary(header, size, tally, len(merged.gone))
            found.write(paths.summary)
    except OSError as error:
        raise CytopipeError(f"cannot be written ({error.strerror})", where=files.table.parent) from None
    return tally, found


def _write(paths: SlideFiles, slide: Slide, cells: Iterable[ScreenedCell], header: Header, tally: Tally) -> None:
    colours = class_colours(header.classes or (UNCLASSIFIED,))
    picture = Picture(thumbnail_field(slide), colours)
    with (
        paths.table.open("w", newline="", encoding="utf-8") as table,
        paths.features.open("w", encoding="utf-8") as features,
    ):
        rows = csv.DictWriter(table, slide_columns(header), lineterminator="\n")
        rows.writeheader()
        geojson = GeoJsonWriter(features, header.job, colours)  # ids differ between slides, models and options
        for number, one in enumerate(cells, start=1):
            rows.writerow(slide_row(number, one, header))
            geojson.add(number, one, header.classes)
            picture.add(number, one)
            tally.add(one)
        geojson.close()
    paths.picture.write_bytes(encode_png(picture.finish()))


def slide_columns(header: Header) -> list[str]:
    """Columns of the table: those of a field, and the focal plane."""
    columns = columns_of(header.classes, header.is_familiar)
    place = columns.index("score") + 1
    return [*columns[:place], *OF_PLANES, *columns[place:]]


def slide_row(number: int, one: ScreenedCell, header: Header) -> dict[str, object]:
    """A row of the table; coordinates are pixels of the full resolution."""
    row = row_of(number, one, header.classes)
    if isinstance(one, SlideCell):
        row |= {"plane": one.plane, "focus": f"{one.focus:.6g}"}
    return row


@dataclass(frozen=True)
class ThumbnailField(Field):
    """A slide as the field that its picture is drawn on: reduced by its pyramid, not pixel by pixel."""

    reduce: Callable[[int], np.ndarray] = field(kw_only=True)

    def shrunk(self, factor: int) -> np.ndarray:
        """See `Field.shrunk`."""
        return self.reduce(factor)


def thumbnail_field(slide: Slide) -> ThumbnailField:
    """The middle focal plane of a slide as a field."""
    full, plane = slide.levels[0], slide.planes // 2

    def read(top: int, left: int, height: int, width: int) -> np.ndarray:
        return slide.read_region(0, top, left, height, width, plane)

    def reduce(factor: int) -> np.ndarray:
        size = max(1, full.height // factor), max(1, full.width // factor)
        return resize_rgb(View.reduced(slide, factor).shrunk(plane), size)

    return ThumbnailField(full.height, full.width, read, reduce=reduce)


def _summary(header: Header, size: tuple[int, int], tally: Tally, seams: int) -> SlideSummary:
    return SlideSummary(
        slide=header.slide,
        width=size[1],
        height=size[0],
        mpp=header.mpp,
        read_mpp=header.read_mpp,
        level=header.level,
        planes=header.planes,
        tile=header.tile,
        tiles=header.tiles,
        empty=header.empty,
        tissue=header.tissue,
        seams=seams,
        cells=tally.cells,
        classes=dict(tally.classes),
        uncertain=tally.uncertain,
        cut=tally.cut,
        unlike=tally.unlike,
    )
