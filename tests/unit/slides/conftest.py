"""A detector that is not trained, slides whose cells are known exactly, and the screening of a slide to its table."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from cytopipe.core.params import Reading
from cytopipe.screening.segmenter_detector import SegmenterDetector
from cytopipe.slides.job import Settings, SlideJob
from cytopipe.slides.opening import open_slide
from cytopipe.slides.outputs import SlideFiles, merge
from cytopipe.slides.part_file import part_path
from cytopipe.slides.tiles import WHOLE
from fixture_types import ScreenSlide
from made_otsu import write_otsu

CPU = torch.device("cpu")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A segmenter by Otsu's threshold with windows of 96 px, a cell side of 40 px, trained at 0.25 micrometres."""
    return write_otsu(tmp_path_factory.mktemp("models") / "otsu", "tiles", cell_side=40.0, pixel_size_um=0.25)


@pytest.fixture(scope="session")
def detector(model: Path) -> SegmenterDetector:
    return SegmenterDetector(model, CPU)


@pytest.fixture(scope="session")
def screen_slide(model: Path, detector: SegmenterDetector) -> ScreenSlide:

    def screen(
        slide: Path, out: Path, settings: Settings | None = None, reading: Reading | None = None
    ) -> list[dict[str, str]]:
        with open_slide(slide, reading) as opened:
            job = SlideJob.of(opened, [model], detector, None, settings or Settings(tile=512))
            path = part_path(out, "slide", WHOLE)
            job.run(path)
            merge(SlideFiles.of(out, "slide"), opened, [path])
        path.unlink()
        with (out / "slide.csv").open() as file:
            return list(csv.DictReader(file))

    return screen
