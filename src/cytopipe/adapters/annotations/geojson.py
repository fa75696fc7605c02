"""GeoJSON of QuPath: one file an image, features with a classification, cells with `nucleusGeometry`.

https://qupath.readthedocs.io/en/stable/docs/advanced/exporting_annotations.html and RFC 7946.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cytopipe.adapters.annotations.files import listed, mapped
from cytopipe.adapters.annotations.shapes import UNCLASSIFIED, Annotation, Outline, ring
from cytopipe.errors import CytopipeError

_AREAS = ("Polygon", "MultiPolygon")
_OTHERS = ("Point", "MultiPoint", "LineString", "MultiLineString")  # they outline no cell
_NO_CELLS = ("tile", "PathTileObject", "tmaCore", "TMACoreObject", "root", "PathRootObject")


def is_geojson(value: Any) -> bool:
    """Whether a JSON value is GeoJSON: a collection, a feature or a list of features."""
    first = value[0] if isinstance(value, list) and value else value
    return isinstance(first, dict) and first.get("type") in ("FeatureCollection", "Feature")


def read_features(value: Any, where: str) -> tuple[Annotation, ...]:
    """The annotations of a GeoJSON value.

    Raises:
        CytopipeError: a feature or its geometry is not as RFC 7946 defines it.
    """
    if isinstance(value, dict) and value.get("type") == "FeatureCollection":
        value = value.get("features")
    features = [value] if isinstance(value, dict) else listed(value, "the list of features", where)
    found = (_annotation(feature, f"{where}: feature {place}") for place, feature in enumerate(features, start=1))
    return tuple(one for one in found if one is not None)


def _annotation(feature: Any, where: str) -> Annotation | None:
    feature = mapped(feature, "the feature", where)
    properties = mapped(feature.get("properties"), "`properties`", where)
    kind = properties.get("objectType", properties.get("object_type"))
    geometry = mapped(feature.get("geometry"), "`geometry`", where)
    if kind in _NO_CELLS or not geometry or geometry.get("type") in _OTHERS:
        return None
    nucleus = feature.get("nucleusGeometry", properties.get("nucleusGeometry"))
    return Annotation(
        _label(properties.get("classification"), where),
        where,
        outline=_outline(geometry, where),
        nucleus=_outline(mapped(nucleus, "`nucleusGeometry`", where), where) if nucleus else None,
    )


def _label(classification: Any, where: str) -> str:
    """The class; QuPath writes derived classes as `Tumor: Positive`, or since 0.6 as a list of names."""
    if not classification:
        return UNCLASSIFIED
    if isinstance(classification, str):
        return classification
    one = mapped(classification, "`classification`", where)
    names = [str(name) for name in listed(one.get("names"), "`names`", where)]
    return str(one.get("name") or ": ".join(names) or UNCLASSIFIED)


def _outline(geometry: dict[str, Any], where: str) -> Outline:
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind == "GeometryCollection":
        inner = [mapped(one, "a geometry", where) for one in listed(geometry.get("geometries"), "`geometries`", where)]
        parts = [_outline(one, where) for one in inner if one.get("type") not in _OTHERS]
        if not parts:
            raise CytopipeError("the geometry has no polygon", where=where, hint="remove the feature")
        return Outline(tuple(polygon for part in parts for polygon in part.polygons))
    if kind not in _AREAS:
        raise CytopipeError(
            f"the geometry is of the type {str(kind)[:40]!r}, not one of {', '.join(_AREAS)}", where=where
        )
    polygons = listed(coordinates, "`coordinates`", where)
    polygons = [polygons] if kind == "Polygon" else polygons
    found = tuple(
        tuple(_rings(listed(rings, "a polygon", where), where)) for rings in polygons if rings
    )  # QuPath writes an empty list for a part that a mend removed
    if not found or not all(found):
        raise CytopipeError("the geometry has no coordinates", where=where, hint="remove the feature")
    return Outline(found)


def _rings(rings: list[Any], where: str) -> list[np.ndarray]:
    return [ring(listed(points, "a ring", where), where) for points in rings]
