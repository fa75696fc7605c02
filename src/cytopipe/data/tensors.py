"""Memory-mapped uint8 arrays: one .npy per split, N x H x W x 5 (red, green, blue, cell, nucleus)."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from cytopipe.core.io.workers import ordered_map
from cytopipe.core.params import SPLITS, STRETCH, Fit
from cytopipe.data.imaging.decode import read_png
from cytopipe.data.imaging.fit import place
from cytopipe.data.imaging.masks import read_mask, to_channels
from cytopipe.data.manifest import Row, read_manifest
from cytopipe.errors import CytopipeError
from cytopipe.paths import MANIFEST

CHUNK = 16  # images that a process takes at a time
CHANNELS = ("red", "green", "blue", "cell", "nucleus")


class ArrayWriter:
    """Append uint8 items of one shape to a .npy file; memory stays flat, unlike that of a written memory map.

    The file is hashed as it is written, so that nobody need read it for that.

    Args:
        path: of the file.
        count: number of items that will come.
        shape: of one item.
    """

    def __init__(self, path: Path, count: int, shape: tuple[int, ...]) -> None:
        self.path, self.count, self.shape, self.written = path, count, shape, 0
        self._file: BinaryIO = path.open("wb")
        self._digest = hashlib.sha256()
        header = io.BytesIO()
        described = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
        np.lib.format.write_array_header_1_0(header, described)
        self._write(header.getbuffer())

    def append(self, item: np.ndarray) -> None:
        """Write one item, uint8 of the given shape."""
        if item.shape != self.shape or item.dtype != np.uint8:
            raise ValueError(f"{item.dtype} {item.shape} is not uint8 {self.shape}")
        self._write(np.ascontiguousarray(item).data)
        self.written += 1

    @property
    def sha256(self) -> str:
        """SHA-256 of the file as far as it is written, in 64 hexadecimal digits."""
        return self._digest.hexdigest()

    def _write(self, data: memoryview) -> None:
        self._file.write(data)
        self._digest.update(data)

    def __enter__(self) -> ArrayWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        if kind is None and self.written != self.count:
            raise ValueError(f"{self.path}: {self.written} items written, {self.count} promised")


def open_array(path: Path) -> np.ndarray:
    """Memory-map an array for reading.

    Raises:
        CytopipeError: when it is missing, cut short, or not a .npy file of uint8.
    """
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise CytopipeError("no such array", where=path, hint="run the stage that writes it: dvc repro") from None
    except (ValueError, OSError, EOFError) as error:
        raise CytopipeError(
            f"not a whole .npy file ({error})",
            where=path,
            hint="run the stage that writes it again: dvc repro --force build_tensors@NAME",
        ) from None
    if array.dtype != np.uint8:
        raise CytopipeError(f"the array is {array.dtype}, not uint8", where=path)
    return array


def make_item(
    image: np.ndarray, mask: np.ndarray, size: int, fit: Fit = STRETCH, pixel_size_um: float | None = None
) -> np.ndarray:
    """H x W x 3 RGB and H x W palette -> size x size x 5 uint8; the mask is placed like its image.

    Raises:
        CytopipeError: the image has no place, see `imaging.fit.place`.
    """
    where = place((image.shape[0], image.shape[1]), size, fit, pixel_size_um)
    return np.concatenate([where.rgb(image), to_channels(where.mask(mask))], axis=-1)


def build_tensors(
    organized: Path,
    masks: Path,
    size: int,
    arrays: dict[str, Path],
    progress: Callable[[Iterable[Any], int], Iterable[Any]],
    workers: int = 1,
    hashed: Callable[[Path, str], None] | None = None,
    fit: Fit = STRETCH,
) -> Iterable[Row]:
    """Stream images and predicted masks into one array per split.

    Args:
        organized: folder of the organized dataset.
        masks: folder of its predicted masks, with their manifest.
        size: side of the square items, pixels.
        arrays: file to write for each split.
        progress: wraps the iteration, given the number of images.
        workers: number of processes that read and scale images.
        hashed: called with each finished array and its SHA-256.
        fit: how an image becomes a square.

    Yields:
        The manifest's rows, in the order of the arrays (id order within each split); the pixels are the tensor's, whose
        size in micrometres is left out.

    Raises:
        CytopipeError: for an image or a mask that does not decode, or a mask that is not of its image's size.
    """
    rows = read_manifest(masks / MANIFEST)
    counts = Counter(row.split for row in rows)
    shape = (size, size, len(CHANNELS))
    with ExitStack() as stack:
        writers = {split: stack.enter_context(ArrayWriter(arrays[split], counts[split], shape)) for split in SPLITS}
        items = stack.enter_context(
            closing(ordered_map(partial(_read_item, organized, masks, size, fit), rows, workers, CHUNK))
        )
        for row, item in progress(zip(rows, items, strict=True), len(rows)):
            writers[row.split].append(item)
            yield replace(row, width=size, height=size, pixel_size_um=None)
    for split, writer in writers.items():
        if hashed is not None:
            hashed(arrays[split], writer.sha256)


def _read_item(organized: Path, masks: Path, size: int, fit: Fit, row: Row) -> np.ndarray:
    """The item of an image and its predicted mask, size x size x 5 uint8."""
    image, mask = read_png(organized / row.path), read_mask(masks / row.mask_path)
    if mask.shape != image.shape[:2]:
        raise CytopipeError(
            f"the mask is {mask.shape[1]} x {mask.shape[0]} px, its image {image.shape[1]} x {image.shape[0]}",
            where=masks / row.mask_path,
            hint="rerun generate_masks",
        )
    return make_item(image, mask, size, fit, row.pixel_size_um)


def load_split(folder: Path, split: str) -> tuple[np.ndarray, list[Row]]:
    """One split's array (N x H x W x 5 uint8, memory-mapped) and its rows in the same order.

    Raises:
        CytopipeError: when the two do not have the same number of images.
    """
    rows = [row for row in _rows(folder / MANIFEST) if row.split == split]
    array = open_array(folder / f"{split}.npy")
    if len(rows) != len(array):
        raise CytopipeError(
            f"{len(array)} images, but the manifest lists {len(rows)}", where=folder, hint="rerun build_tensors"
        )
    return array, rows


def _rows(manifest: Path) -> tuple[Row, ...]:
    """Rows of the tensors' manifest, read once however many splits a stage asks for."""
    found = manifest.stat() if manifest.is_file() else None
    state = (found.st_ino, found.st_mtime_ns, found.st_size) if found else ()
    return _read_rows(manifest.absolute(), *state)


@lru_cache(maxsize=1)
def _read_rows(manifest: Path, *state: int) -> tuple[Row, ...]:
    """The rows of the file in this state: another inode, time or size is another file."""
    return tuple(read_manifest(manifest))


class Stack:
    """Items of several memory-mapped arrays in an order of their own; read as they are asked for.

    Args:
        arrays: each N x H x W x C uint8, of one H x W x C.
        places: (array, row) of every item.
    """

    def __init__(self, arrays: Sequence[np.ndarray], places: np.ndarray) -> None:
        self.arrays, self.places = arrays, places
        self.shape = (len(places), *arrays[0].shape[1:])

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, which: int | slice) -> np.ndarray:
        """An item H x W x C, or several N x H x W x C."""
        if isinstance(which, slice):
            return np.stack([self.arrays[array][row] for array, row in self.places[which]])
        array, row = self.places[which]
        item: np.ndarray = self.arrays[array][row]
        return item

    def take(self, items: Sequence[int] | np.ndarray) -> Stack:
        """The items of these indices, in this order."""
        return Stack(self.arrays, self.places[np.asarray(items, dtype=np.int64)])


Items = np.ndarray | Stack  # N x H x W x C uint8, read when asked for


def join(first: Items, second: Items) -> Stack:
    """The items of both, one after the other."""
    arrays = [*_arrays(first), *_arrays(second)]
    moved = _places(second) + np.array([len(_arrays(first)), 0])
    return Stack(arrays, np.concatenate([_places(first), moved]))


def _arrays(items: Items) -> Sequence[np.ndarray]:
    return items.arrays if isinstance(items, Stack) else [items]


def _places(items: Items) -> np.ndarray:
    """(array, row) of every item, N x 2."""
    if isinstance(items, Stack):
        return items.places
    return np.stack([np.zeros(len(items), dtype=np.int64), np.arange(len(items))], axis=1)


def load_all(folder: Path) -> tuple[Stack, list[Row]]:
    """The items of all splits in id order, and their rows."""
    loaded = [load_split(folder, split) for split in SPLITS]
    rows = [(row, (number, index)) for number, (_, part) in enumerate(loaded) for index, row in enumerate(part)]
    rows.sort(key=lambda pair: pair[0].id)
    return Stack([array for array, _ in loaded], np.array([place for _, place in rows])), [row for row, _ in rows]
