"""Screened cells as GeoJSON for QuPath (File > Import objects from file, or drop the file on the image).

The geometry follows RFC 7946 with pixels instead of degrees; the other members are those that QuPath itself writes.
https://qupath.readthedocs.io/en/stable/docs/advanced/exporting_annotations.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from PIL import ImageColor

from cytopipe.screening.cells import DetectedCell
from cytopipe.screening.identity import cell_id
from cytopipe.screening.polygons import ring
from cytopipe.screening.screen import ScreenedCell


class GeoJsonWriter:
    """Writes one feature per cell, as the cells arrive.

    Args:
        file: a file that is open for writing text.
        field: name of the field.
        colours: colour of each class, "#rrggbb".
        screening: what ids are derived from: see `identity.screening_of`; empty: the name of the field.
    """

    def __init__(self, file: TextIO, field: str, colours: Mapping[str, str], screening: str = "") -> None:
        self._file, self._screening, self._colours = file, screening or field, colours
        self._first = True
        file.write('{"type": "FeatureCollection", "features": [')

    def add(self, number: int, screened: ScreenedCell, classes: Sequence[str]) -> None:
        """Write a cell with its number in the field; `classes` are in the order of its probabilities."""
        feature = self._feature(number, screened, classes)
        self._file.write("\n" if self._first else ",\n")
        self._file.write(json.dumps(feature, ensure_ascii=False, allow_nan=False))
        self._first = False

    def close(self) -> None:
        """Write the end of the collection; the file stays open."""
        self._file.write("\n]}\n")

    def _feature(self, number: int, screened: ScreenedCell, classes: Sequence[str]) -> dict[str, Any]:
        cell, prediction = screened.cell, screened.prediction
        properties: dict[str, Any] = {
            "objectType": "detection" if cell.nucleus is None else "cell",
            "name": str(number),
        }
        measurements = {"Detection score": cell.score, "Area px^2": cell.area, "Cut by the edge": int(cell.cut)}
        if prediction is not None:
            colour = ImageColor.getrgb(self._colours[prediction.predicted])
            properties["classification"] = {"name": prediction.predicted, "color": list(colour[:3])}
            measurements |= {"Confidence": prediction.confidence, "Uncertain": int(prediction.uncertain)}
            if prediction.unlike is not None:
                measurements["Unlike the training images"] = int(prediction.unlike)
            measurements |= {
                f"Probability: {name}": float(value)
                for name, value in zip(classes, prediction.probabilities, strict=True)
            }
        properties["measurements"] = {
            name: round(value, 6) if isinstance(value, float) else value for name, value in measurements.items()
        }
        return {
            "type": "Feature",
            "id": cell_id(self._screening, cell),
            "geometry": _polygon(cell.contour),
            **_nucleus(cell),
            "properties": properties,
        }


def _polygon(contour: Any) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [ring(contour)]}


def _nucleus(cell: DetectedCell) -> dict[str, Any]:
    return {} if cell.nucleus is None else {"nucleusGeometry": _polygon(cell.nucleus)}
