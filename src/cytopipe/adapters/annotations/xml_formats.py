"""Annotations in XML: Pascal VOC and ASAP, a file for each image, and CVAT, one for many."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

import numpy as np

from cytopipe.adapters.annotations.files import whole
from cytopipe.adapters.annotations.run_lengths import row_mask
from cytopipe.adapters.annotations.shapes import (
    UNCLASSIFIED,
    AnnotatedImage,
    Annotation,
    Outline,
    ellipse,
    flat_ring,
    number,
    polygon,
    ring,
    turned_box,
)
from cytopipe.errors import CytopipeError

ROOTS = {"annotation": "voc", "ASAP_Annotations": "asap", "annotations": "cvat"}


def read_voc(root: Element, where: str, stem: str) -> AnnotatedImage:
    """Pascal VOC: an image with boxes, counted from 1 to the last pixel, and polygons where a program adds them.

    Raises:
        CytopipeError: a box or polygon is none.
    """
    found = []
    for place, one in enumerate(root.iter("object"), start=1):
        at = f"{where}: object {place}"
        label = (one.findtext("name") or "").strip() or UNCLASSIFIED
        points = one.find("polygon")
        if points is not None and len(points):
            found.append(Annotation(label, at, outline=polygon(_voc_ring(points, at))))
            continue
        box = one.find("bndbox")
        sides = [number((box.findtext(name) if box is not None else None), at) for name in (
            "xmin", "ymin", "xmax", "ymax")]  # fmt: skip
        found.append(Annotation(label, at, box=(sides[0] - 1, sides[1] - 1, sides[2], sides[3])))
    name = (root.findtext("filename") or "").strip()
    size = root.find("size")
    stated = None
    if size is not None and size.findtext("width") and size.findtext("height"):
        height, width = (whole(size.findtext(side), f"the {side}", where) for side in ("height", "width"))
        stated = (height, width)
    names = tuple(dict.fromkeys(one for one in (name, stem) if one))
    return AnnotatedImage(names, where, tuple(found), stated if stated and all(stated) else None)


def _voc_ring(points: Element, where: str) -> np.ndarray:
    """Points as x1, y1, x2, y2, ... or as pairs of x and y."""
    pairs = [(one.findtext("x"), one.findtext("y")) for one in points if len(one)]
    if not pairs:
        at = {one.tag: one.text for one in points}
        numbers = sorted({int(tag[1:]) for tag in at if tag[:1] == "x" and tag[1:].isdecimal()})
        pairs = [(at[f"x{count}"], at.get(f"y{count}")) for count in numbers]
    return ring(pairs, where)


def read_asap(root: Element, where: str, stem: str) -> AnnotatedImage:
    """ASAP (https://computationalpathologygroup.github.io/ASAP): outlines whose groups are the classes.

    Raises:
        CytopipeError: an outline is none.
    """
    found = []
    for place, one in enumerate(root.iter("Annotation"), start=1):
        at = f"{where}: annotation {place}"
        if one.get("Type") in ("Dot", "PointSet", "Measurement"):  # they outline no cell
            continue
        group = one.get("PartOfGroup") or "None"
        points = sorted(one.iter("Coordinate"), key=lambda point: number(point.get("Order"), at))
        outline = polygon(ring([(point.get("X"), point.get("Y")) for point in points], at))
        label = UNCLASSIFIED if group == "None" else group
        if one.get("Type") == "Rectangle":
            found.append(Annotation(label, at, box=outline.bounds))
        else:
            found.append(Annotation(label, at, outline=outline))
    return AnnotatedImage((stem,), where, tuple(found))


def read_cvat(root: Element, where: str) -> Iterator[AnnotatedImage]:
    """CVAT for images 1.1: boxes, polygons, ellipses and masks.

    Yields:
        The images that have annotations.

    Raises:
        CytopipeError: for tracks of a video, and for a shape that is none.
    """
    if root.find("track") is not None:
        raise CytopipeError(
            "these are tracks of a video, not annotations of images", where=where, hint="export `CVAT for images 1.1`"
        )
    for image in root.iter("image"):
        name = image.get("name") or ""
        shapes = (_cvat(shape, f"{where}: shape {place} of {name}") for place, shape in enumerate(image, start=1))
        found = tuple(one for one in shapes if one is not None)
        size = None
        if image.get("width") and image.get("height"):
            size = (whole(image.get("height"), "the height", where), whole(image.get("width"), "the width", where))
        if found:
            yield AnnotatedImage((name,), where, found, size)


def _cvat(shape: Element, where: str) -> Annotation | None:
    label, pair = shape.get("label") or UNCLASSIFIED, shape.get("group_id") or None
    degrees = number(shape.get("rotation", 0), where)

    def of(*names: str) -> list[float]:
        return [number(shape.get(name), where) for name in names]

    if shape.tag == "box":
        left, top, right, bottom = of("xtl", "ytl", "xbr", "ybr")
        if not degrees:
            return Annotation(label, where, box=(left, top, right, bottom), pair=pair)
        outline = turned_box((left, top, right, bottom), degrees, where)
    elif shape.tag == "polygon":
        points = [part.split(",") for part in (shape.get("points") or "").split(";")]
        outline = polygon(flat_ring([value for point in points for value in point], where))
    elif shape.tag == "ellipse":
        across, down, rx, ry = of("cx", "cy", "rx", "ry")
        outline = ellipse((across, down), (rx, ry), degrees, where)
    elif shape.tag == "mask":
        sides = [whole(shape.get(name), f"`{name}` of a mask", where) for name in ("left", "top", "width", "height")]
        runs = [part.strip() for part in (shape.get("rle") or "").split(",")]
        mask = row_mask(runs, (sides[0], sides[1], sides[2], sides[3]), where)
        if mask is None:
            raise CytopipeError("the mask has no pixel", where=where, hint="remove the annotation")
        outline = Outline(mask=mask)
    else:  # points, lines, tags
        return None
    return Annotation(label, where, outline=outline, pair=pair)
