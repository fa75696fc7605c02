"""The loop that all writers share: the units of a dataset are drawn, on several processes, and their files written.

A writer of `cytopipe_phantoms.writers` says how one unit of its layout is drawn and where its files go.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Generic

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cytopipe.core.io.workers import ordered_map
from cytopipe.errors import CytopipeError
from cytopipe_phantoms.spec import Table, read_table

Progress = Callable[[int, int], None]
SCALES = (0.05, 2.0)  # below, cells shrink to points
JPEG: Mapping[str, Any] = {"quality": 92, "subsampling": 0}  # fixed, so that the bytes are
SPLIT = "{split}"  # in a file's path: the publisher's folder, see `split_of`


@dataclass(frozen=True)
class Request:
    """How much is drawn.

    Attributes:
        seed: 0 or more.
        fields_per_class: units (fields, slides, specimens, patients) of each class, 1 or more; of the whole dataset
            where a unit holds cells of all classes.
        cells_per_field: mean number of images of a unit (and class), 1 or more.
        scale: size over the full size of the biology table; 0.05 to 2.

    Raises:
        CytopipeError: a number is out of range; the message names it.
    """

    seed: int
    fields_per_class: int
    cells_per_field: int
    scale: float

    def __post_init__(self) -> None:
        for name, least in (("seed", 0), ("fields_per_class", 1), ("cells_per_field", 1)):
            if (value := getattr(self, name)) < least:
                raise CytopipeError(f"{name} must be at least {least}, not {value}", where=name)
        if not SCALES[0] <= self.scale <= SCALES[1]:
            text = f"scale must be from {SCALES[0]} to {SCALES[1]}, not {self.scale}"
            raise CytopipeError(text, where="scale", hint="1.0 gives full-size fields, 0.25 a quarter of their width")


@dataclass(frozen=True)
class Unit:
    """A field, slide, specimen or patient: what is drawn at a time.

    Attributes:
        number: within its class, or within the dataset where a unit holds cells of all classes; from 0.
        label: its class; empty where it holds cells of all.
        index: of that class, from 0.
    """

    number: int
    label: str = ""
    index: int = 0


@dataclass(frozen=True)
class File:
    """One file of a dataset.

    Attributes:
        path: POSIX, below the dataset's folder. SPLIT in it stands for the folder of the publisher's split.
        content: (H, W, 3) or (H, W) uint8 image, saved in the format that the suffix names; ASCII text; or bytes.
        label: class of an image.
    """

    path: str
    content: NDArray[np.uint8] | str | bytes
    label: str = ""

    def encoded(self) -> File:
        """This file with its content as bytes."""
        if isinstance(self.content, bytes):
            return self
        if isinstance(self.content, str):
            return replace(self, content=self.content.encode("ascii"))
        return replace(self, content=encode_image(self.content, PurePosixPath(self.path).suffix))

    def write(self, folder: Path, split: str) -> str:
        """Writes an encoded file below `folder`, whose sub-folders are made as needed, and returns its path."""
        assert isinstance(self.content, bytes)
        path = self.path.replace(SPLIT, split)
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self.content)
        return path


def encode_image(image: NDArray[np.uint8], suffix: str) -> bytes:
    """Bytes of an (H, W, 3) RGB or (H, W) grey image in the format of this suffix, the same on every processor.

    OpenCV deflates PNGs with the plain zlib. Pillow's zlib-ng chooses other code by the processor.
    """
    if suffix == ".png":
        pixels = image if image.ndim == 2 else image[..., ::-1]
        return cv2.imencode(".png", pixels)[1].tobytes()
    buffer = io.BytesIO()
    known = Image.registered_extensions()[suffix.lower()]
    Image.fromarray(image).save(buffer, known, **(JPEG if suffix == ".jpg" else {}))
    return buffer.getvalue()


Labelled = Sequence[tuple[str, str]]  # path and class of images, in the order in which they were drawn


def _no_index(images: Labelled) -> Iterable[File]:
    return ()


@dataclass(frozen=True)
class Writer(Generic[Table]):
    """How phantoms in the layout of one published dataset are drawn.

    Attributes:
        table: model of the biology table.
        draw: draws the files of one unit from seeds of its own, (seed, class, unit, ...), so that a larger request
            leaves the images of the other units as they were.
        classes: that the table must have, in this order; None where the layout takes any.
        mixed: whether a unit holds cells of all classes.
        index: the publisher's tables, from the images of the whole dataset.
    """

    table: type[Table]
    draw: Callable[[Table, Request, Unit], Iterator[File]]
    classes: Sequence[str] | None = None
    mixed: bool = False
    index: Callable[[Labelled], Iterable[File]] = _no_index

    def write(
        self, folder: Path, spec: Path, request: Request, progress: Progress | None = None, *, workers: int = 1
    ) -> None:
        """Fills `folder` with a phantom of the dataset; the same table and request write the same bytes.

        Args:
            folder: made if absent.
            spec: file of the biology table.
            request: how much is drawn.
            progress: called after each unit with the units done and their total.
            workers: number of processes that draw.

        Raises:
            CytopipeError: the table is not valid.
        """
        table = read_table(spec, self.table, self.classes)
        units = self._units(table, request)
        images: list[tuple[str, str]] = []
        drawn: Counter[str] = Counter()
        with closing(ordered_map(partial(_draw_unit, self.draw, table, request), units, workers)) as found:
            for done, files in enumerate(found, start=1):
                for file in files:
                    drawn[file.label] += 1
                    path = file.write(folder, split_of(drawn[file.label]))
                    if file.label:
                        images.append((path, file.label))
                if progress is not None:
                    progress(done, len(units))
        for file in self.index(images):
            file.encoded().write(folder, "")

    def _units(self, table: Table, request: Request) -> list[Unit]:
        numbers = range(request.fields_per_class)
        if self.mixed:
            return [Unit(number) for number in numbers]
        return [Unit(number, label, index) for index, label in enumerate(table.classes) for number in numbers]


def _draw_unit(
    draw: Callable[[Table, Request, Unit], Iterator[File]], table: Table, request: Request, unit: Unit
) -> list[File]:
    """The files of one unit as bytes, which cost little to send from one process to another."""
    return [file.encoded() for file in draw(table, request, unit)]


def draw_count(mean: int, spread: int, rng: np.random.Generator) -> int:
    """How many images a unit gives: `mean` give or take up to `spread`, at least 1."""
    spread = min(spread, mean - 1)
    return mean + int(rng.integers(-spread, spread + 1))


def split_of(number: int) -> str:
    """The publisher's folder of the image of this number (from 1) in its class: every fifth is for validation.

    The published 80/20 splits of this kind are of single images, so that they tear slides; so does the phantom's.
    """
    return "validation" if number % 5 == 0 else "train"
