"""Small whole slides for tests: pyramids as scanners and other programs write them, of an image or of some spots."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile

TILE = 256
GLASS = 240


LEVEL: dict[str, Any] = {"compression": "zlib", "photometric": "rgb", "metadata": None}  # of a written pyramid


def reduced(image: np.ndarray, factor: int) -> np.ndarray:
    """An image reduced by averaging, as the levels of a pyramid are."""
    size = image.shape[1] // factor, image.shape[0] // factor
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def write_aperio(
    path: Path, image: np.ndarray, factors: Sequence[int] = (1, 4), mpp: float | None = 0.25, tile: int = TILE
) -> Path:
    """Write an image as an SVS that OpenSlide reads as Aperio's; without `mpp` it does not say its pixel size."""
    height, width = image.shape[:2]
    said = "" if mpp is None else f"|MPP = {mpp:g}"
    with tifffile.TiffWriter(path) as file:
        for number, factor in enumerate(factors):
            shown = reduced(image, factor)
            text = f"Aperio Image Library\r\n{width}x{height} -> {shown.shape[1]}x{shown.shape[0]}|AppMag = 20{said}"
            file.write(
                shown,
                tile=(tile, tile),
                description=text,
                subfiletype=int(number > 0),
                **LEVEL,
            )
    return path


def write_sparse(
    path: Path, size: tuple[int, int], spots: Mapping[tuple[int, int], np.ndarray], tile: int = 512, mpp: float = 0.25
) -> Path:
    """Write a huge SVS of empty glass with some images on it.

    Args:
        path: the file.
        size: height and width.
        spots: tile x tile x 3 uint8 images by row and column of their tile.
        tile: side of the tiles of the file.
        mpp: micrometres of a pixel.
    """
    height, width = size
    blank = zlib.compress(np.full((tile, tile, 3), GLASS, np.uint8).tobytes())

    def tiles(rows: int, columns: int, factor: int) -> Iterator[bytes]:
        within: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for row, column in spots:
            within.setdefault((row // factor, column // factor), []).append((row, column))
        for place in ((row, column) for row in range(rows) for column in range(columns)):
            if place not in within:
                yield blank
                continue
            shown, side = np.full((tile, tile, 3), GLASS, np.uint8), tile // factor
            for row, column in within[place]:
                top, left = (row % factor) * side, (column % factor) * side
                shown[top : top + side, left : left + side] = reduced(spots[row, column], factor)
            yield zlib.compress(shown.tobytes())

    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for number, factor in enumerate((1, 4, 16)):
            shape = height // factor, width // factor
            text = f"Aperio Image Library\r\n{width}x{height} -> {shape[1]}x{shape[0]}|AppMag = 40|MPP = {mpp:g}"
            file.write(
                tiles(-(-shape[0] // tile), -(-shape[1] // tile), factor),
                shape=(*shape, 3),
                dtype=np.uint8,
                tile=(tile, tile),
                description=text,
                subfiletype=int(number > 0),
                **LEVEL,
            )
    return path


def write_ome_tiff(
    path: Path, planes: Sequence[np.ndarray], factors: Sequence[int] = (1, 4), mpp: float | None = 0.25
) -> Path:
    """Write focal planes, H x W x 3 uint8 each, as an OME-TIFF whose pyramid is in sub-images."""
    said: dict[str, Any] = {"axes": "ZYXS"}
    if mpp is not None:
        said |= {f"PhysicalSize{axis}{what}": value for axis in "XY" for what, value in (("", mpp), ("Unit", "µm"))}
    options: dict[str, Any] = {"photometric": "rgb", "tile": (TILE, TILE), "compression": "zlib"}
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(np.stack(planes), subifds=len(factors) - 1, metadata=said, **options)
        for factor in factors[1:]:
            file.write(np.stack([reduced(plane, factor) for plane in planes]), subfiletype=1, **options)
    return path


def write_ome_zarr(
    path: Path,
    planes: Sequence[np.ndarray],
    factors: Sequence[int] = (1, 4),
    mpp: float | None = 0.25,
    version: str = "0.4",
) -> Path:
    """Write focal planes, H x W x 3 uint8 each, as an OME-Zarr of the axes c, z, y, x."""
    import zarr

    former = version == "0.4"
    group = zarr.open_group(path, mode="w", zarr_format=2 if former else 3)
    unit = {} if mpp is None else {"unit": "micrometer"}
    axes: list[Any] = [
        {"name": "c", "type": "channel"},
        *({"name": name, "type": "space", **unit} for name in "zyx"),
    ]
    datasets: list[Any] = []
    for number, factor in enumerate(factors):
        level = np.stack([reduced(plane, factor) for plane in planes]).transpose(3, 0, 1, 2)
        group.create_array(str(number), data=np.ascontiguousarray(level), chunks=(1, 1, TILE, TILE))
        side = (mpp or 1.0) * factor
        scale = {"type": "scale", "scale": [1.0, 1.0, side, side]}
        datasets.append({"path": str(number), "coordinateTransformations": [scale]})
    found: Any = {"version": version, "axes": axes, "datasets": datasets}
    group.attrs.update({"multiscales": [found]} if former else {"ome": {"version": version, "multiscales": [found]}})
    return path


def drawn(height: int, width: int, middles: Sequence[tuple[int, int]]) -> np.ndarray:
    """Cells of a radius of 15 px with nuclei on glass, H x W x 3 uint8; their middles are (x, y)."""
    image = np.full((height, width, 3), (241, 240, 242), np.uint8)
    for radius, colour in ((15, (170, 120, 190)), (5, (60, 30, 90))):
        for middle in middles:
            cv2.circle(image, middle, radius, colour, cv2.FILLED)
    return image


def spread(height: int, width: int, count: int, seed: int = 0, apart: int = 36) -> list[tuple[int, int]]:
    """Middles (x, y) of cells that do not touch, as many as fit of the number asked for, clear of the edges."""
    rng, found = np.random.default_rng(seed), list[tuple[int, int]]()
    for _ in range(20 * count):
        x, y = int(rng.integers(20, width - 20)), int(rng.integers(20, height - 20))
        if all((x - a) ** 2 + (y - b) ** 2 >= apart**2 for a, b in found):
            found.append((x, y))
        if len(found) == count:
            break
    return found
