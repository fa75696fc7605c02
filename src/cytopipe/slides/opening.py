"""Which files are slides, and by which reader each is opened."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cytopipe.core.params import Reading
from cytopipe.data.imaging.channels import is_tiff
from cytopipe.data.imaging.pixel_size import pixel_size_um
from cytopipe.errors import CytopipeError
from cytopipe.slides.slide import Slide, damaged

# It logs what it then raises, and a damaged slide is to have one message.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)
# Formats that are slides whatever they hold; files of these names are never fields.
SUFFIXES = (".svs", ".ndpi", ".mrxs", ".vms", ".vmu", ".scn", ".bif", ".svslide", ".czi", ".zarr")
MARKS = ("zarr.json", ".zattrs", ".zgroup")  # of a zarr, one of which is in its folder
INSTALL = "pip install 'cytopipe[slides]'"


def is_slide(path: Path) -> bool:
    """Whether an image is a slide: by its suffix, or as a TIFF with a pyramid or focal planes.

    Never raises: what cannot be read is no slide, unless it is called so.
    """
    if path.suffix.lower() in SUFFIXES or is_zarr(path):
        return True
    try:
        if not path.is_file() or not is_tiff(path):
            return False
        import tifffile  # here, because most images need it not

        with tifffile.TiffFile(path) as file:
            first = file.pages.first
            if first.subifds and file.is_ome:
                return True
            series = file.series[0]
            planes = dict(zip(series.axes, series.shape, strict=True)).get("Z", 1) if file.is_ome else 1
            pyramid = len(series.levels) > 1 and first.is_tiled
            return bool(pyramid or planes > 1 or file.is_svs or file.is_philips or file.is_bif or file.is_scn)
    except Exception:  # a damaged header makes tifffile raise what it likes; the reader of fields says what is wrong
        return False


def is_zarr(path: Path) -> bool:
    """Whether a folder is a zarr, which is one slide."""
    return path.is_dir() and any((path / mark).is_file() for mark in MARKS)


def need_readers(path: Path) -> None:
    """Check that the libraries that read slides are installed.

    Raises:
        CytopipeError: one is not.
    """
    for name in ("openslide", "zarr"):
        if importlib.util.find_spec(name) is None:
            raise CytopipeError(f"whole slides need {name}, which is not installed", where=path, hint=INSTALL)


@contextmanager
def open_slide(path: Path, reading: Reading | None = None) -> Iterator[Slide]:
    """Open a slide; an image without a pyramid is one of a single level.

    Args:
        path: its file, or the folder of an OME-Zarr.
        reading: how values that are not 8-bit RGB become such.

    Raises:
        CytopipeError: there is no such slide, it is damaged or truncated, levels are missing, it is no slide at all, or
            a library is missing.
    """
    slide = _opened(path, reading or Reading())
    try:
        yield slide
    finally:
        slide.close()


def _opened(path: Path, reading: Reading) -> Slide:
    if not path.exists():
        raise CytopipeError("there is no such slide", where=path)
    need_readers(path)
    if path.is_dir():
        from cytopipe.slides.zarr_reader import ZarrSlide

        if not is_zarr(path):
            raise CytopipeError(
                "this folder is no slide", where=path, hint="name the folder of an OME-Zarr image, or a file"
            )
        return ZarrSlide(path, reading)
    if path.stat().st_size == 0:
        raise damaged(path, "the file is empty")
    return _of_file(path, reading)


def _of_file(path: Path, reading: Reading) -> Slide:
    import openslide

    from cytopipe.slides.openslide_reader import OpenSlideSlide
    from cytopipe.slides.tiff_reader import TiffSlide

    vendor = openslide.OpenSlide.detect_format(path)
    mpp, is_ome, is_pyramid = _of_tiff(path) if is_tiff(path) else (None, False, False)
    plain = reading.channels is None and reading.page is None
    if is_ome and not (vendor and plain and _needs_codecs(path)):
        return TiffSlide(path, reading)
    if vendor is not None:
        return OpenSlideSlide(path, mpp)
    if is_pyramid:
        return TiffSlide(path, reading)
    from cytopipe.slides.flat import FlatSlide

    try:
        return FlatSlide(path, reading)
    except CytopipeError as error:
        if path.suffix.lower() not in SUFFIXES:
            raise
        raise CytopipeError(
            f"this is not a slide that can be read ({error.what})",
            where=path,
            hint="name a file of a scanner (SVS, NDPI, MRXS, ...), an OME-TIFF or the folder of an OME-Zarr",
        ) from None


def _of_tiff(path: Path) -> tuple[float | None, bool, bool]:
    """Micrometres of a pixel of a TIFF, whether it is an OME-TIFF, and whether it has more than one level.

    Raises:
        CytopipeError: its structure is damaged, or the file ends before its data.
    """
    import tifffile

    from cytopipe.slides.tiff_reader import check_whole

    try:
        with tifffile.TiffFile(path) as file:
            check_whole(file, path)
            tags = {tag.code: tag.value for tag in file.pages.first.tags.values()}
            is_ome = bool(file.is_ome)
            return pixel_size_um(tags, path), is_ome, is_ome or len(file.series[0].levels) > 1
    except CytopipeError:
        raise
    except Exception as error:  # a damaged header makes tifffile raise what it likes
        raise damaged(path, error) from None


def _needs_codecs(path: Path) -> bool:
    """Whether tifffile cannot decompress a TIFF here, for want of imagecodecs."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        try:
            tifffile.TIFF.DECOMPRESSORS[file.pages.first.compression]
        except KeyError:
            return True
    return False
