"""The cells of some tiles of a slide as a file: JSON lines, a header, a line for each cell, and an end."""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from cytopipe.core.params import Reading
from cytopipe.errors import CytopipeError
from cytopipe.models.inference.predictor import Prediction
from cytopipe.screening.cells import DetectedCell
from cytopipe.slides.cells import SlideCell
from cytopipe.slides.tiles import Part

AGAIN = "run this part again"
_NO_ITEM = np.zeros((0, 0, 5), np.uint8)


@dataclass(frozen=True)
class Header:
    """What a part is a part of; all parts of one slide agree in everything but their number.

    Attributes:
        job: identity of the slide, the models and their settings.
        slide: name of the slide's file.
        part: number of the part, from 1.
        parts: how many there are.
        tile: side of a tile in pixels of the view.
        tiles, empty: numbers of all tiles of the slide, and of those without tissue.
        tissue: share of the slide that is tissue.
        level: level of the pyramid that was read.
        factor: pixels of the full resolution for one of the view.
        size: height and width of the view.
        mpp, read_mpp: micrometres of a pixel of the full resolution and of the view.
        planes: number of focal planes.
        classes: classes of the classifier; none without one.
        is_familiar: whether it knows its training images.
        reading: how the slide's values become 8-bit RGB, as plain values.
    """

    job: str
    slide: str
    part: int
    parts: int
    tile: int
    tiles: int
    empty: int
    tissue: float
    level: int
    factor: float
    size: tuple[int, int]
    mpp: float | None
    read_mpp: float | None
    planes: int
    classes: tuple[str, ...]
    is_familiar: bool
    reading: dict[str, Any]

    @property
    def own_reading(self) -> Reading:
        """`reading` as it is used."""
        return Reading.model_validate(self.reading)

    @property
    def words(self) -> str:
        """What was read, for a person."""
        scale = f"{self.read_mpp:g} micrometres a pixel" if self.read_mpp else "full resolution"
        planes = f", {self.planes} focal planes" if self.planes > 1 else ""
        return f"read at {scale} from level {self.level}{planes}; {self.empty} of {self.tiles} tiles are empty"


def parts_in(folder: Path, name: str) -> list[Path]:
    """The files of all parts of a slide, in order.

    Raises:
        CytopipeError: there is none, some are missing, or there are those of several divisions.
    """
    found = {}
    for path in folder.glob(f"{glob.escape(name)}.part-*-of-*.jsonl"):
        if match := re.fullmatch(r"part-(\d+)-of-(\d+)", path.name[len(name) + 1 : -len(".jsonl")]):
            found[int(match[2]), int(match[1])] = path
    counts = {count for count, _ in found}
    if not found:
        raise CytopipeError(f"there are no parts of '{name}' here", where=folder, hint="screen them: --part I/N")
    if len(counts) > 1:
        several = ", ".join(map(str, sorted(counts)))
        raise CytopipeError(
            f"there are parts of '{name}' of several divisions, into {several}",
            where=folder,
            hint="remove those that you do not want",
        )
    (count,) = counts
    if missing := [number for number in range(1, count + 1) if (count, number) not in found]:
        which = ", ".join(f"{number}/{count}" for number in missing)
        raise CytopipeError(f"parts of '{name}' are missing: {which}", where=folder, hint="screen them: --part I/N")
    return [found[count, number] for number in range(1, count + 1)]


def part_path(folder: Path, name: str, part: Part) -> Path:
    """The file of one part of a slide."""
    return folder / f"{name}.part-{part.number}-of-{part.count}.jsonl"


def write_part(path: Path, header: Header, found: Iterable[tuple[int, Sequence[SlideCell]]]) -> int:
    """Write a part tile by tile; it appears when it is whole. Cells are not kept in memory.

    Args:
        path: the file.
        header: its header.
        found: number of each tile and its cells.

    Returns:
        The number of cells.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    count = 0
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(_line(asdict(header)))
            for tile, cells in found:
                for one in cells:
                    file.write(_line({"tile": tile, **_plain(one)}))
                    count += 1
            file.write(_line({"end": count}))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return count


def read_header(path: Path) -> Header:
    """The header of a part.

    Raises:
        CytopipeError: it is missing or damaged.
    """
    try:
        with path.open(encoding="utf-8") as file:
            values = json.loads(file.readline())
        values |= {"size": tuple(values["size"]), "classes": tuple(values["classes"])}
        return Header(**values)
    except FileNotFoundError:
        raise CytopipeError("this part is missing", where=path, hint=AGAIN) from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _broken(path, error) from None


def read_cells(path: Path) -> Iterator[tuple[int, SlideCell]]:
    """The cells of a part with the numbers of their tiles, one by one.

    Raises:
        CytopipeError: the file is damaged or was not written to its end.
    """
    count = 0
    try:
        with path.open(encoding="utf-8") as file:
            next(file)
            for line in file:
                values = json.loads(line)
                if "end" in values:
                    if values["end"] != count:
                        raise ValueError(f"{values['end']} cells announced, {count} there")
                    return
                count += 1
                yield values.pop("tile"), _cell(values)
        raise ValueError("it has no end")
    except (OSError, ValueError, TypeError, KeyError, StopIteration) as error:
        raise _broken(path, error) from None


def _broken(path: Path, error: BaseException) -> CytopipeError:
    return CytopipeError(f"this part is damaged ({error or type(error).__name__})", where=path, hint=AGAIN)


def _line(values: Any) -> str:
    return json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


def _plain(one: SlideCell) -> dict[str, Any]:
    cell, found = one.cell, one.prediction
    values: dict[str, Any] = {
        "box": cell.box,
        "contour": cell.contour.ravel().tolist(),
        "nucleus": None if cell.nucleus is None else cell.nucleus.ravel().tolist(),
        "area": int(cell.area),
        "score": float(cell.score),
        "cut": bool(cell.cut),
        "plane": one.plane,
        "focus": one.focus,
    }
    if found is not None:
        values["prediction"] = {
            name: getattr(found, name).tolist() if name == "probabilities" else getattr(found, name)
            for name in _PREDICTED
        }
    return values


_PREDICTED = tuple(one.name for one in fields(Prediction) if one.name not in ("item", "mask", "placement"))


def _cell(values: dict[str, Any]) -> SlideCell:
    cell = DetectedCell(
        tuple(values["box"]),
        _points(values["contour"]),
        None if values["nucleus"] is None else _points(values["nucleus"]),
        values["area"],
        values["score"],
        values["cut"],
    )
    found = values.get("prediction")
    prediction = None
    if found is not None:
        pairs = {name: tuple(found[name]) for name in ("class_set", "attention") if found[name] is not None}
        found |= {"probabilities": np.array(found["probabilities"], np.float64), **pairs}
        prediction = Prediction(item=_NO_ITEM, mask=None, **found)
    return SlideCell(cell, prediction, values["plane"], values["focus"])


def _points(values: list[int]) -> np.ndarray:
    return np.array(values, np.int32).reshape(-1, 2)
