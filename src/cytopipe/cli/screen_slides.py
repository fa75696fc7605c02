"""Whole slides in `cytopipe screen`: its options for them, and how one of them is screened, in parts or at once."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from cytopipe.errors import CytopipeError

if TYPE_CHECKING:
    from cytopipe.core.params import Reading
    from cytopipe.models.inference.predictor import Predictor
    from cytopipe.results.slides import SlideSummary
    from cytopipe.screening.detectors import CellDetector
    from cytopipe.screening.groups import FieldEvidence
    from cytopipe.screening.outputs import Tally
    from cytopipe.slides.tiles import Part, Tile

Mpp = Annotated[
    float | None,
    typer.Option(
        "--mpp",
        min=0.001,
        max=1000,
        metavar="UM",
        help="Of whole slides: micrometres of a pixel of the images that the detector was trained on, at which slides "
        "are read; by default as the model says. With it, any image is read as a slide.",
    ),
]
PartOfSlide = Annotated[
    str | None, typer.Option("--part", metavar="I/N", help="Screen only part I of N of a slide, for --merge.")
]
Merge = Annotated[bool, typer.Option("--merge", help="Make the outputs of a slide from all its parts.")]
TileSide = Annotated[
    int, typer.Option("--tile", min=256, max=16384, metavar="PX", help="Side of the tiles that slides are screened by.")
]


class Models(Protocol):
    """What a slide is screened by: `cli.screen._Screening`."""

    reading: Reading
    detector: CellDetector | None
    predictor: Predictor | None
    margin: float
    edge: bool
    evidence: FieldEvidence


def list_fields(named: Sequence[str]) -> list[str]:
    """The images that a command names, and the slides; those of a folder before its other images.

    Raises:
        CytopipeError: as `list_images`.
    """
    from cytopipe.models.inference.image_paths import list_images
    from cytopipe.slides.listing import slides_below
    from cytopipe.slides.opening import is_zarr

    found: list[str] = []
    for name in named:
        path = Path(name)
        if is_zarr(path):
            found.append(name)
            continue
        slides = slides_below(path) if path.is_dir() else []
        found += map(str, slides)
        try:
            found += [one for one in list_images([name]) if not any(slide in Path(one).parents for slide in slides)]
        except CytopipeError:
            if not slides:
                raise
    return list(dict.fromkeys(found))


@dataclass
class SlideRun:
    """How slides are screened.

    Attributes:
        models: folder of the detector, and of the classifier.
        mpp, pixel_size_um, tile: see `slides.job.Settings`.
        part: the part of each slide that is screened; None: all of it.
        merges: whether parts are merged instead.
        options: options of the detector.
    """

    models: tuple[Path | None, Path | None]
    mpp: float | None
    pixel_size_um: float | None
    tile: int
    part: Part | None
    merges: bool
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        models: tuple[Path | None, Path | None],
        mpp: float | None,
        pixel_size_um: float | None,
        tile: int,
        part: str | None,
        merge: bool,
    ) -> SlideRun:
        """From the options of the command.

        Raises:
            CytopipeError: `part` is no part, or parts are to be both screened and merged.
        """
        from cytopipe.slides.tiles import Part

        if part is not None and merge:
            raise CytopipeError("give --part, and when all parts are there, --merge", where="--merge")
        return cls(models, mpp, pixel_size_um, tile, None if part is None else Part.parse(part), merge)

    @property
    def in_parts(self) -> bool:
        """Whether files of parts are written or read."""
        return self.part is not None or self.merges

    def takes(self, path: Path) -> bool:
        """Whether an image is screened as a slide: it is one, or an option asks for it."""
        from cytopipe.slides.opening import is_slide

        return self.in_parts or self.mpp is not None or is_slide(path)

    def refuse_formats(self, also: Sequence[str] | None, paths: Iterable[Path]) -> None:
        """Refuse further formats where an image is screened as a slide, whose outputs have none.

        Raises:
            CytopipeError: there is such an image.
        """
        if also and (slide := next(filter(self.takes, paths), None)) is not None:
            raise CytopipeError(
                f"--also writes fields, and {slide.name} is screened as a slide",
                where="--also",
                hint="screen slides without it; their GeoJSON has all cells",
            )

    def patch_scale(self, paths: Iterable[Path]) -> float | None:
        """The scale of a detector whose training had a scale in micrometres, for slides; None: it needs none."""
        from cytopipe.slides.job import patch_scale

        detector = self.models[0]
        return patch_scale(detector, self.mpp) if detector and all(self.takes(path) for path in paths) else None

    def screen(self, path: Path, name: str, out: Path | None, models: Models) -> tuple[Tally, dict[str, Any]]:
        """Screen a slide, a part of it, or merge its parts.

        Returns:
            The counts of its cells, and what else the command prints of it.

        Raises:
            CytopipeError: the slide cannot be read, its scale is not known, or parts are missing.
        """
        from cytopipe.slides.opening import open_slide
        from cytopipe.slides.part_file import parts_in, read_header

        if self.merges:
            assert out is not None
            parts = parts_in(out, name)
            with open_slide(path, read_header(parts[0]).own_reading) as slide:
                found = self._merged(slide, name, out, parts, models)
            for one in parts:
                one.unlink()
            return found
        with open_slide(path, models.reading) as slide:
            if self.part is not None:
                assert out is not None
                return self._part(slide, name, out, models)
            with TemporaryDirectory(prefix="cytopipe-") as scratch:
                self._part(slide, name, Path(scratch), models)
                return self._merged(slide, name, out, parts_in(Path(scratch), name), models)

    def _part(self, slide: Any, name: str, out: Path, models: Models) -> tuple[Tally, dict[str, Any]]:
        from tqdm import tqdm

        from cytopipe.screening.outputs import Tally
        from cytopipe.slides.job import Settings, SlideJob
        from cytopipe.slides.part_file import part_path
        from cytopipe.slides.tiles import WHOLE

        assert models.detector is not None
        settings = Settings(self.mpp, self.pixel_size_um, self.tile, models.margin, models.edge)
        folders = [folder for folder in self.models if folder is not None]
        if models.predictor is not None:
            models.predictor.pixel_size_um = None  # crops are of the view, whose pixels have another size
        job = SlideJob.of(slide, folders, models.detector, models.predictor, settings, self.options)
        if slide.mpp is None and self.pixel_size_um is None:
            tqdm.write(f"{name}: the slide says no pixel size; taken to be --mpp {self.mpp:g}", file=sys.stderr)
        tally = Tally.of(job.classes, job.is_familiar)

        def progress(tiles: Iterable[Tile], count: int) -> Iterator[Tile]:
            yield from tqdm(tiles, desc=name, total=count, unit=" tile", leave=False, file=sys.stderr)

        part = self.part or WHOLE
        header = job.run(part_path(out, name, part), part, tally, progress)
        if models.predictor is not None:
            models.predictor.pixel_size_um = self.pixel_size_um
        height, width = slide.levels[0].height, slide.levels[0].width
        tqdm.write(f"{name}: {header.words}", file=sys.stderr)
        return tally, {"width": width, "height": height, "tiles": header.tiles, "empty_tiles": header.empty}

    def _merged(
        self, slide: Any, name: str, out: Path | None, parts: list[Path], models: Models
    ) -> tuple[Tally, dict[str, Any]]:
        from cytopipe.slides.outputs import SlideFiles, merge

        files = None if out is None else SlideFiles.of(out, name)
        tally, found = merge(files, slide, parts, lambda cells: models.evidence.watch(name, cells))
        return tally, _described(found)


def _described(found: SlideSummary) -> dict[str, Any]:
    sizes = {"width": found.width, "height": found.height, "mpp": found.mpp, "read_mpp": found.read_mpp}
    return {**sizes, "planes": found.planes, "tiles": found.tiles, "empty_tiles": found.empty}
