"""Screened cells as COCO JSON: each cell and each nucleus a mask in compressed runs, which lose no pixel.

https://cocodataset.org/#format-data
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

import numpy as np

from cytopipe.adapters.annotations.run_lengths import compressed
from cytopipe.data.imaging.outlines import PlacedMask
from cytopipe.screening.identity import cell_id
from cytopipe.screening.picture import UNCLASSIFIED
from cytopipe.screening.polygons import pixels
from cytopipe.screening.screen import ScreenedCell

NUCLEUS = "nucleus"


class CocoWriter:
    """Writes one or two annotations per cell, as the cells arrive.

    Categories are the classes, numbered from 1, and last the nucleus. The attribute `cell` of a cell and its nucleus is
    the id that the cell has in the GeoJSON.

    Args:
        file: a file that is open for writing text.
        image: file name of the field.
        size: its height and width in pixels.
        colours: colour of each class, "#rrggbb", in the order of the categories.
        screening: what ids are derived from: see `identity.screening_of`.
    """

    def __init__(
        self, file: TextIO, image: str, size: tuple[int, int], colours: Mapping[str, str], screening: str
    ) -> None:
        self._file, self._size, self._screening, self._count = file, size, screening, 0
        self._numbers = {name: number for number, name in enumerate(colours, start=1)}
        nucleus = NUCLEUS if NUCLEUS not in colours else f"{NUCLEUS} (part)"
        categories = [
            {"id": number, "name": name, "supercategory": "cell", "color": colours[name]}
            for name, number in self._numbers.items()
        ]
        categories.append({"id": len(colours) + 1, "name": nucleus, "supercategory": "part", "color": "#000000"})
        head = {
            "info": {"description": "cells found by cytopipe"},
            "images": [{"id": 1, "file_name": image, "height": size[0], "width": size[1]}],
            "categories": categories,
        }
        file.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "annotations": [')

    def add(self, number: int, screened: ScreenedCell, classes: Sequence[str]) -> None:
        """Write a cell, and its nucleus if it has one."""
        cell, prediction = screened.cell, screened.prediction
        label = prediction.predicted if prediction else UNCLASSIFIED
        score = round(float(prediction.confidence if prediction else cell.score), 6)
        attributes = {"cell": cell_id(self._screening, cell), "number": number}
        self._write(cell.contour, self._numbers[label], score, attributes)
        if cell.nucleus is not None:
            self._write(cell.nucleus, len(self._numbers) + 1, round(float(cell.score), 6), attributes)

    def close(self) -> None:
        """Write the end; the file stays open."""
        self._file.write("\n]}\n")

    def _write(self, contour: np.ndarray, category: int, score: float, attributes: Mapping[str, Any]) -> None:
        mask, left, top = pixels(contour)
        placed = PlacedMask(left, top, mask)
        height, width = mask.shape
        self._count += 1
        annotation = {
            "id": self._count,
            "image_id": 1,
            "category_id": category,
            "iscrowd": 0,
            "bbox": [left, top, width, height],
            "area": placed.area,
            "segmentation": {"size": list(self._size), "counts": compressed(placed, self._size)},
            "score": score,
            "attributes": attributes,
        }
        self._file.write("\n" if self._count == 1 else ",\n")
        self._file.write(json.dumps(annotation, ensure_ascii=False, allow_nan=False))
