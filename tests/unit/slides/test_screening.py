"""Screening of slides: no cell is lost or found twice at a seam, in a focal plane or in a part."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from cytopipe.data.imaging.fields import Field
from cytopipe.errors import CytopipeError
from cytopipe.screening.detectors import TILE, EvidenceReader, Region
from cytopipe.screening.segmenter_detector import SegmenterDetector
from cytopipe.slides.job import Settings, SlideJob, trained_mpp
from cytopipe.slides.opening import open_slide
from cytopipe.slides.outputs import SlideFiles, merge
from cytopipe.slides.part_file import part_path, parts_in
from cytopipe.slides.tiles import Part
from fixture_types import ScreenSlide
from made_slides import drawn, spread, write_aperio, write_ome_tiff, write_ome_zarr

HEIGHT, WIDTH = 640, 820
MIDDLES = spread(HEIGHT, WIDTH, 90)
TILES = Settings(tile=256)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return drawn(HEIGHT, WIDTH, MIDDLES)


@pytest.fixture(scope="module")
def slide(image: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_aperio(tmp_path_factory.mktemp("slide") / "a.svs", image)


@pytest.fixture(scope="module")
def once(slide: Path, screen_slide: ScreenSlide, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of the slide, screened in one process."""
    folder = tmp_path_factory.mktemp("once")
    screen_slide(slide, folder, TILES)
    return folder


def boxes(rows: list[dict[str, str]]) -> list[tuple[int, ...]]:
    return sorted(tuple(int(row[name]) for name in ("left", "top", "right", "bottom", "area")) for row in rows)


def middles(rows: list[dict[str, str]]) -> list[tuple[int, int]]:
    return sorted(((left + right - 1) // 2, (top + bottom - 1) // 2) for left, top, right, bottom, _ in boxes(rows))


def test_every_cell_is_found_once_whatever_the_tiles(slide: Path, screen_slide: ScreenSlide, tmp_path: Path) -> None:
    found = screen_slide(slide, tmp_path, TILES)
    assert middles(found) == sorted(MIDDLES)
    assert json.loads((tmp_path / "slide.json").read_text())["seams"] > 0
    assert boxes(screen_slide(slide, tmp_path, Settings(tile=333))) == boxes(found)
    assert boxes(screen_slide(slide, tmp_path, Settings(tile=2048))) == boxes(found)


@pytest.mark.parametrize("name", ["flat.svs", "a.ome.tif", "a.zarr"])
def test_a_pyramid_has_the_same_cells_as_its_flat_copy(
    name: str, image: np.ndarray, once: Path, screen_slide: ScreenSlide, tmp_path: Path
) -> None:
    write = {"flat.svs": write_aperio, "a.ome.tif": write_ome_tiff, "a.zarr": write_ome_zarr}[name]
    if name == "flat.svs":
        write_aperio(tmp_path / name, image, factors=(1,))
    else:
        write(tmp_path / name, [image])  # type: ignore[operator]
    screen_slide(tmp_path / name, tmp_path / "out", TILES)
    assert (tmp_path / "out/slide.csv").read_bytes() == (once / "slide.csv").read_bytes()


def test_a_slide_is_read_at_the_scale_of_the_training(
    image: np.ndarray, screen_slide: ScreenSlide, tmp_path: Path
) -> None:
    fine = cv2.resize(image, (2 * WIDTH, 2 * HEIGHT), interpolation=cv2.INTER_CUBIC)
    path = write_aperio(tmp_path / "fine.svs", fine, factors=(1, 2, 8), mpp=0.125)
    found = screen_slide(path, tmp_path / "out", TILES)
    summary = json.loads((tmp_path / "out/slide.json").read_text())
    assert (summary["level"], summary["read_mpp"], summary["mpp"]) == (1, 0.25, 0.125)
    assert len(found) == len(MIDDLES)
    for (x, y), (a, b) in zip(middles(found), sorted(MIDDLES), strict=True):  # in pixels of the full resolution
        assert abs(x - 2 * a) <= 3 and abs(y - 2 * b) <= 3
    flat = write_aperio(tmp_path / "flat.svs", fine, factors=(1,), mpp=0.125)
    assert middles(screen_slide(flat, tmp_path / "out", TILES)) == middles(found)


def test_the_detector_sees_a_tile_with_its_margin_at_once(
    model: Path, detector: SegmenterDetector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    regions: list[Region] = []

    def prepare(field: Field) -> EvidenceReader:
        look = SegmenterDetector.prepare(detector, field)
        return lambda region: regions.append(region) or look(region)  # type: ignore[func-returns-value]

    monkeypatch.setattr(detector, "prepare", prepare)
    width = TILE + detector.margin  # of the first tile of a slide, which has a margin on one side
    image = drawn(300, width + 300, [(100, 100), (1200, 150), (width, 200)])
    with open_slide(write_aperio(tmp_path / "wide.svs", image)) as opened:
        SlideJob.of(opened, [model], detector, None, Settings(tile=TILE)).run(tmp_path / "part")
    second = image.shape[1] - TILE + detector.margin
    assert detector.step == 1 and [region.shape for region in regions] == [(300, width), (300, second)]


def test_empty_tiles_are_skipped_and_counted(screen_slide: ScreenSlide, tmp_path: Path) -> None:
    path = write_aperio(tmp_path / "a.svs", drawn(1024, 1280, [(100, 100), (700, 600)]))
    assert middles(screen_slide(path, tmp_path, TILES)) == [(100, 100), (700, 600)]
    summary = json.loads((tmp_path / "slide.json").read_text())
    assert (summary["tiles"], summary["empty"], summary["cells"]) == (20, 18, 2)
    assert 0 < summary["tissue"] < 0.01


def test_an_empty_slide_has_no_cells(screen_slide: ScreenSlide, tmp_path: Path) -> None:
    assert screen_slide(write_aperio(tmp_path / "a.svs", drawn(300, 300, [])), tmp_path) == []


def test_each_cell_of_a_stack_is_found_once_at_its_sharpest(screen_slide: ScreenSlide, tmp_path: Path) -> None:
    cells = {(80, 90): 0, (200, 120): 1, (120, 230): 2, (250, 250): 1}
    planes = []
    for number in range(3):
        plane = drawn(320, 340, []).astype(np.float32)
        for middle, sharp in cells.items():
            alone = drawn(320, 340, [middle]).astype(np.float32) - drawn(320, 340, [])
            plane += cv2.GaussianBlur(alone, (0, 0), 0.01 + 1.2 * abs(number - sharp))
        planes.append(np.rint(plane).clip(0, 255).astype(np.uint8))
    rows = screen_slide(write_ome_tiff(tmp_path / "a.ome.tif", planes), tmp_path, TILES)
    found = dict(zip(middles(rows), [row["plane"] for row in sorted(rows, key=lambda row: _middle(row))], strict=True))
    assert found == {middle: str(plane) for middle, plane in cells.items()}
    assert all(float(row["focus"]) > 0 for row in rows)
    assert json.loads((tmp_path / "slide.json").read_text())["planes"] == 3


def _middle(row: dict[str, str]) -> tuple[int, int]:
    return middles([row])[0]


@pytest.mark.parametrize("count", [2, 16])
def test_parts_make_the_bytes_of_one_process(
    count: int, slide: Path, once: Path, model: Path, detector: SegmenterDetector, tmp_path: Path
) -> None:
    for number in reversed(range(1, count + 1)):
        with open_slide(slide) as opened:
            SlideJob.of(opened, [model], detector, None, TILES).run(
                part_path(tmp_path, "slide", Part(number, count)), Part(number, count)
            )
    with open_slide(slide) as opened:
        merge(SlideFiles.of(tmp_path, "slide"), opened, parts_in(tmp_path, "slide"))
    for suffix in (".csv", ".geojson", ".png", ".json"):
        assert (tmp_path / f"slide{suffix}").read_bytes() == (once / f"slide{suffix}").read_bytes(), suffix


def test_parts_that_do_not_belong_together_are_refused(
    slide: Path, model: Path, detector: SegmenterDetector, tmp_path: Path
) -> None:
    with open_slide(slide) as opened:
        paths = []
        for number, settings in ((1, TILES), (2, replace(TILES, margin=0.2))):
            job = SlideJob.of(opened, [model], detector, None, settings)
            paths.append(part_path(tmp_path, "slide", Part(number, 2)))
            job.run(paths[-1], Part(number, 2))
        with pytest.raises(CytopipeError, match="of another slide, other models or other options"):
            merge(None, opened, paths)
        content = paths[0].read_text()
        paths[0].write_text(content[: len(content) // 2])
        with pytest.raises(CytopipeError, match="damaged"):
            merge(None, opened, paths[:1])
    paths[0].unlink()
    with pytest.raises(CytopipeError, match="missing: 1/2"):
        parts_in(tmp_path, "slide")
    (tmp_path / "slide.part-1-of-3.jsonl").write_text("")
    with pytest.raises(CytopipeError, match="several divisions"):
        parts_in(tmp_path, "slide")
    with pytest.raises(CytopipeError, match="no parts of 'other'"):
        parts_in(tmp_path, "other")


def test_a_job_goes_on_with_the_part_that_is_missing(
    slide: Path, once: Path, model: Path, detector: SegmenterDetector, tmp_path: Path
) -> None:
    with open_slide(slide) as opened:
        job = SlideJob.of(opened, [model], detector, None, TILES)
        paths = job.run_in_parts(tmp_path / "work", count=4)
        times = [path.stat().st_mtime_ns for path in paths]
        paths[2].unlink()
        assert job.run_in_parts(tmp_path / "work", count=4) == paths
        assert [path.stat().st_mtime_ns == time for path, time in zip(paths, times, strict=True)].count(False) == 1
        merge(SlideFiles.of(tmp_path, "slide"), opened, paths)
    assert (tmp_path / "slide.csv").read_bytes() == (once / "slide.csv").read_bytes()


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "-1/2"])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(CytopipeError, match="no part"):
        Part.parse(text)


def test_the_parts_of_any_number_of_tiles_have_each_once() -> None:
    for count, tiles in ((3, 10), (16, 5), (1, 7), (4, 0)):
        shares = [Part(number, count).of(range(tiles)) for number in range(1, count + 1)]
        assert [one for share in shares for one in share] == list(range(tiles))


def test_a_scale_that_is_not_known_is_refused(
    image: np.ndarray, slide: Path, model: Path, detector: SegmenterDetector, tmp_path: Path
) -> None:
    silent = tmp_path / "silent"  # a model that does not say at which scale it was trained
    silent.mkdir()
    for file in model.iterdir():
        (silent / file.name).write_bytes(file.read_bytes())
    spec = json.loads((silent / "model.json").read_text())
    del spec["typical_sizes"]["pixel_size_um"]
    (silent / "model.json").write_text(json.dumps(spec))
    unknown = write_aperio(tmp_path / "b.svs", image, mpp=None)
    assert (trained_mpp(model), trained_mpp(silent)) == (0.25, None)

    def job(path: Path, folder: Path, settings: Settings) -> float | None:
        with open_slide(path) as opened:
            return SlideJob.of(opened, [folder], detector, None, settings).view.mpp

    with pytest.raises(CytopipeError, match="how large its pixels are"):
        job(unknown, model, TILES)
    with pytest.raises(CytopipeError, match="neither the model nor an option") as caught:
        job(slide, silent, TILES)
    assert "--mpp 0.25" in str(caught.value.hint)
    with pytest.raises(CytopipeError, match="too coarse"):
        job(slide, silent, Settings(mpp=0.05))
    assert job(unknown, silent, Settings(mpp=0.5)) == 0.5
    assert job(unknown, model, Settings(pixel_size_um=0.5)) == 0.25
    assert job(slide, silent, Settings(mpp=0.5)) == 0.5
