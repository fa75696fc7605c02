"""COCO: one JSON file of many images, with polygons, masks as runs (plain or compressed) or boxes.

https://cocodataset.org/#format-data
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from cytopipe.adapters.annotations.files import listed, mapped, whole
from cytopipe.adapters.annotations.run_lengths import coco_mask
from cytopipe.adapters.annotations.shapes import (
    UNCLASSIFIED,
    AnnotatedImage,
    Annotation,
    Outline,
    flat_ring,
    number,
    turned_box,
)
from cytopipe.errors import CytopipeError


def is_coco(value: Any) -> bool:
    """Whether a JSON value is a COCO file of objects."""
    return isinstance(value, dict) and "images" in value and "annotations" in value


def read_coco(value: dict[str, Any], where: str) -> list[AnnotatedImage]:
    """The images of a COCO file with their annotations.

    Raises:
        CytopipeError: for an annotation of an image or a category that the file does not list, two images of one id,
            and for outlines or boxes that are none.
    """
    categories = {
        _key(one, "id", where): str(one.get("name") or UNCLASSIFIED)
        for one in (mapped(one, "a category", where) for one in listed(value.get("categories"), "`categories`", where))
    }
    images: dict[str, dict[str, Any]] = {}
    for image in listed(value["images"], "`images`", where):
        image = mapped(image, "an image", where)
        if images.setdefault(_key(image, "id", where), image) is not image:
            raise CytopipeError(f"two images have the id {image.get('id')!r}", where=where, hint="number them anew")
        if not image.get("file_name"):
            raise CytopipeError(f"the image {image.get('id')!r} has no `file_name`", where=where)
    found: dict[str, list[Annotation]] = defaultdict(list)
    for place, one in enumerate(listed(value["annotations"], "`annotations`", where), start=1):
        one, at = mapped(one, "an annotation", where), f"{where}: annotation {place}"
        owner = _key(one, "image_id", at)
        if owner not in images:
            raise CytopipeError(f"it is of the image {owner}, which the file does not list", where=at)
        if _is_group(one, at):
            continue
        category = _key(one, "category_id", at) if one.get("category_id") is not None else None
        if category is not None and category not in categories:
            raise CytopipeError(f"it is of the category {category}, which the file does not list", where=at)
        label = UNCLASSIFIED if category is None else categories[category]
        found[owner].append(_annotation(one, label, _size(images[owner], at), at))
    return [
        AnnotatedImage((str(image["file_name"]),), where, tuple(found[key]), _size(image, where))
        for key, image in images.items()
        if found[key]
    ]


def _key(one: dict[str, Any], name: str, where: str) -> str:
    if not isinstance(one.get(name), int | str):
        raise CytopipeError(f"`{name}` is {str(one.get(name))[:40]!r}, no id", where=where)
    return str(one[name])


def _size(image: dict[str, Any], where: str) -> tuple[int, int] | None:
    if image.get("height") is None or image.get("width") is None:
        return None
    return whole(image["height"], "the height of an image", where), whole(image["width"], "its width", where)


def _is_group(one: dict[str, Any], where: str) -> bool:
    """Whether many objects share one mask; CVAT writes `iscrowd` at the mask of one object too."""
    by_cvat = "occluded" in mapped(one.get("attributes"), "`attributes`", where)
    return one.get("iscrowd") in (1, True) and not by_cvat


def _annotation(one: dict[str, Any], label: str, size: tuple[int, int] | None, where: str) -> Annotation:
    shape = one.get("segmentation")
    attributes = mapped(one.get("attributes"), "`attributes`", where)
    pair = attributes.get("cell")
    together = None if pair is None else str(pair)
    if isinstance(shape, dict):
        sides = [whole(side, "the size of a mask", where, 1) for side in listed(shape.get("size"), "`size`", where)]
        if len(sides) != 2:
            raise CytopipeError("the mask has no size", where=where)
        height, width = sides
        if size is not None and size != (height, width):
            raise CytopipeError(
                f"the mask is of {width} x {height} px, its image of {size[1]} x {size[0]}", where=where
            )
        counts = shape.get("counts")
        mask = coco_mask(
            counts if isinstance(counts, str) else listed(counts, "`counts`", where), (height, width), where
        )
        if mask is None:
            raise CytopipeError("the mask has no pixel", where=where, hint="remove the annotation")
        return Annotation(label, where, outline=Outline(mask=mask), pair=together)
    if rings := listed(shape, "`segmentation`", where):
        rings = rings if isinstance(rings[0], list) else [rings]
        outline = Outline(tuple((flat_ring(listed(ring, "a polygon", where), where),) for ring in rings))
        return Annotation(label, where, outline=outline, pair=together)
    box = [number(side, where) for side in listed(one.get("bbox"), "`bbox`", where)]
    if len(box) != 4:
        raise CytopipeError("it has neither an outline nor a box of four numbers", where=where)
    left, top, width_, height_ = box
    sides_ = left, top, left + width_, top + height_
    if degrees := number(attributes.get("rotation") or 0, where):  # of CVAT: `bbox` is the box before it was turned
        return Annotation(label, where, outline=turned_box(sides_, degrees, where), pair=together)
    return Annotation(label, where, box=sides_, pair=together)
