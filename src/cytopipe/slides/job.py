"""A slide and the models that screen it: at which scale, which part of its tiles, and what identifies the work."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from cytopipe.core.io.hashing import sha256_bytes
from cytopipe.core.params import Reading, Scale
from cytopipe.errors import CytopipeError
from cytopipe.models.files import fold_part, model_id
from cytopipe.models.inference.predictor import Predictor
from cytopipe.results.model_spec import SPEC, ModelSpec
from cytopipe.screening.detectors import CellDetector
from cytopipe.screening.outputs import Tally
from cytopipe.screening.screen import field_reading
from cytopipe.slides.cells import SlideCell
from cytopipe.slides.part_file import Header, part_path, write_part
from cytopipe.slides.slide import Slide
from cytopipe.slides.tile_screening import TileScreener
from cytopipe.slides.tiles import SIDE, WHOLE, Part, Tile, grid, with_tissue
from cytopipe.slides.tissue import Tissue
from cytopipe.slides.view import View, view_at

PARTS = 50  # of a slide in a stage, which goes on with the next one after it was killed
ENDS = 1 << 20  # bytes at each end of a slide's file that identify it
T = TypeVar("T")
Progress = Callable[[Iterable[T], int], Iterator[T]]


@dataclass(frozen=True)
class Settings:
    """Everything but the models that the result for a slide depends on.

    Attributes:
        mpp: micrometres of a pixel that the models were trained at; None: as the detector's folder says.
        pixel_size_um: micrometres of a pixel of the slide; None: as it says.
        tile: side of a tile, pixels of the view.
        margin: margin around a cell's box, as a share of its longer side.
        edge: whether to keep cells that the edge of the slide cuts.
    """

    mpp: float | None = None
    pixel_size_um: float | None = None
    tile: int = SIDE
    margin: float = 0.05
    edge: bool = True


def trained_mpp(detector: Path) -> float | None:
    """Micrometres of a pixel of the images that a detector was trained on, as its folder says; None if it does not."""
    fit, sizes = _spec_of(detector, lambda spec: spec.fit), _spec_of(detector, lambda spec: spec.typical_sizes)
    if isinstance(fit, Scale):
        return fit.um_per_pixel
    return sizes.pixel_size_um if sizes else None


def _spec_of(folder: Path, part: Callable[[ModelSpec], T]) -> T | None:
    """A part of the specification of a model or of its first fold; None where there is none."""
    places = (folder / SPEC, folder / fold_part(0) / SPEC)
    found = next((place for place in places if place.is_file()), None)
    return part(ModelSpec.read(found)) if found else None


def patch_scale(detector: Path, mpp: float | None) -> float | None:
    """Pixels of the detector's input for one of a view of this many micrometres a pixel.

    None for detectors whose training had no scale in micrometres: they see the view as they saw their training images.
    """
    fit = _spec_of(detector, lambda spec: spec.fit)
    if not isinstance(fit, Scale) or fit.um_per_pixel is None:
        return None
    return (mpp or fit.um_per_pixel) / fit.um_per_pixel


def view_for(slide: Slide, detector: Path, settings: Settings) -> View:
    """The slide at the micrometres per pixel that the detector was trained at.

    A slide that does not say its pixel size is taken to have that of `settings.mpp`.

    Raises:
        CytopipeError: neither the settings nor the model say at which scale, or the slide's is not known.
    """
    mpp = settings.mpp or trained_mpp(detector)
    if mpp is None:
        own = settings.pixel_size_um or slide.mpp
        full = "" if own is None else f"; --mpp {own:g} reads this slide at its full resolution"
        raise CytopipeError(
            "neither the model nor an option says at how many micrometres a pixel the slide must be read",
            where=slide.path,
            hint=f"--mpp UM: the micrometres of a pixel of the images that {detector} was trained on{full}",
        )
    if slide.mpp is None and settings.pixel_size_um is None and settings.mpp is not None:
        return view_at(slide, mpp, settings.mpp)
    return view_at(slide, mpp, settings.pixel_size_um)


@dataclass(frozen=True)
class SlideJob:
    """The screening of one slide.

    Attributes:
        slide: the slide.
        view: the slide at the scale of the models.
        detector, predictor: the models.
        settings: the settings.
        key: identity of the slide's file, the models and the settings.
    """

    slide: Slide
    view: View
    detector: CellDetector
    predictor: Predictor | None
    settings: Settings
    key: str

    @classmethod
    def of(
        cls,
        slide: Slide,
        models: Sequence[Path],
        detector: CellDetector,
        predictor: Predictor | None,
        settings: Settings,
        options: object = None,
    ) -> SlideJob:
        """Prepare a job.

        Args:
            slide: the slide.
            models: folder of the detector, and of the classifier if there is one.
            detector, predictor: the models.
            settings: the settings.
            options: further options of the models, as JSON types.

        Raises:
            CytopipeError: as `view_for`.
        """
        view = view_for(slide, models[0], settings)
        reading = field_reading(detector, predictor).model_dump(mode="json")
        parts = [identity(slide.path), [model_id(folder) for folder in models], vars(settings), reading, options]
        key = sha256_bytes(json.dumps(parts, sort_keys=True).encode())
        return cls(slide, view, detector, predictor, settings, key)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the classifier; none without one."""
        return tuple(self.predictor.classes) if self.predictor else ()

    @property
    def is_familiar(self) -> bool:
        """Whether the classifier knows its training images."""
        return self.predictor is not None and bool(self.predictor.familiar)

    @property
    def reading(self) -> Reading:
        """How the slide's values become 8-bit RGB."""
        return field_reading(self.detector, self.predictor)

    def run(
        self, path: Path, part: Part = WHOLE, tally: Tally | None = None, progress: Progress[Tile] | None = None
    ) -> Header:
        """Screen one part of the slide and write its file.

        Args:
            path: the file.
            part: which part.
            tally: counts the cells, those at seams twice if two tiles have them.
            progress: passes the tiles on, with their number.

        Returns:
            The header of the file.

        Raises:
            CytopipeError: the slide cannot be read, or the file not be written.
        """
        tissue = self.tissue
        every = grid((self.view.height, self.view.width), self.settings.tile)
        shown = with_tissue(every, self.view, tissue)
        header = self._header(part, every, shown, tissue)
        screener = TileScreener(self.view, self.detector, self.predictor, self.settings.margin, self.settings.edge)
        tiles = part.of(shown)
        ordered = progress(tiles, len(tiles)) if progress else iter(tiles)

        def found() -> Iterator[tuple[int, Sequence[SlideCell]]]:
            for tile in ordered:
                cells = screener(tile)
                if tally is not None:
                    for one in cells:
                        tally.add(one)
                yield tile.number, cells

        try:
            write_part(path, header, found())
        except OSError as error:
            raise CytopipeError(f"cannot be written ({error.strerror})", where=path.parent) from None
        return header

    @cached_property
    def tissue(self) -> Tissue:
        """Where the slide shows anything."""
        return Tissue.of(self.slide)

    def run_in_parts(self, folder: Path, progress: Progress[Part] | None = None, count: int = PARTS) -> list[Path]:
        """Screen the whole slide in parts; those that a folder holds already are not screened again.

        Args:
            folder: folder of the parts, created if necessary.
            progress: passes the numbers of the parts on.
            count: how many parts.

        Returns:
            The files of all parts, in order.
        """
        every = [Part(number, count) for number in range(1, count + 1)]
        paths = []
        for part in progress(every, count) if progress else every:
            path = part_path(folder, "slide", part)
            if not path.is_file():
                self.run(path, part)
            paths.append(path)
        return paths

    def _header(self, part: Part, every: Sequence[Tile], shown: Sequence[Tile], tissue: Tissue) -> Header:
        view = self.view
        mpp = view.mpp and view.mpp / view.factor
        return Header(
            job=self.key,
            slide=self.slide.path.name,
            part=part.number,
            parts=part.count,
            tile=self.settings.tile,
            tiles=len(every),
            empty=len(every) - len(shown),
            tissue=tissue.share,
            level=view.level,
            factor=view.factor,
            size=(view.height, view.width),
            mpp=mpp,
            read_mpp=view.mpp,
            planes=self.slide.planes,
            classes=self.classes,
            is_familiar=self.is_familiar,
            reading=self.reading.model_dump(mode="json"),
        )


def identity(path: Path) -> str:
    """Identity of a slide: its name, its size, and a hash of its ends; of an OME-Zarr, of its metadata."""
    if path.is_dir():
        names = sorted(file for pattern in ("zarr.json", ".z*") for file in path.rglob(pattern) if file.is_file())
        content = b"".join(str(file.relative_to(path)).encode() + file.read_bytes() for file in names)
        return f"{path.name} {sha256_bytes(content)}"
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(ENDS)
        file.seek(max(0, size - ENDS))
        return f"{path.name} {size} {sha256_bytes(start + file.read(ENDS))}"
