"""Label Studio: an export in JSON or JSON-MIN, with polygons, brushes, ellipses and rectangles in percent.

https://labelstud.io/guide/export
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from cytopipe.adapters.annotations.files import listed, mapped, whole
from cytopipe.adapters.annotations.run_lengths import brush_mask
from cytopipe.adapters.annotations.shapes import (
    UNCLASSIFIED,
    AnnotatedImage,
    Annotation,
    Outline,
    ellipse,
    number,
    polygon,
    ring,
    turned,
)
from cytopipe.errors import CytopipeError

_UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")  # what an upload puts before the file's name
_SHAPES = ("polygon", "brush", "rectangle", "ellipse")
_NO_OBJECTS = ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "file_upload", "project")


def is_label_studio(value: Any) -> bool:
    """Whether a JSON value is an export of Label Studio."""
    tasks = [task for task in value if isinstance(task, dict)] if isinstance(value, list) else []
    return any(
        (isinstance(task.get("data"), dict) and ("annotations" in task or "completions" in task))
        or any("original_width" in one for part in task.values() for one in _shapes_in(part))
        for task in tasks
    )


def without_upload(name: str) -> str:
    """The path of an uploaded image without what the upload put before the file's name."""
    path = PurePosixPath(unquote(name).replace("\\", "/"))
    return path.with_name(_UPLOADED.sub("", path.name)).as_posix() if path.name else name


def read_label_studio(value: list[Any], where: str) -> list[AnnotatedImage]:
    """The images of an export with their annotations.

    Raises:
        CytopipeError: two people annotated an image, a shape is none, or a task names no image.
    """
    images = []
    for place, task in enumerate(value, start=1):
        at = f"{where}: task {place}"
        task = mapped(task, "the task", at)
        results = _of_task(task, at) if "data" in task else _of_short_task(task)
        sizes = {size for size in (_size(one, at) for one in results) if size is not None}
        if len(sizes) > 1:
            raise CytopipeError("its results are of images of several sizes", where=at)
        named = _named_apart(results, at)
        shapes = (_annotation(one, named, f"{at}, result {count}") for count, one in enumerate(results, start=1))
        found = tuple(one for one in shapes if one is not None)
        if found:
            images.append(AnnotatedImage(_names(task, at), at, found, sizes.pop() if sizes else None))
    return images


def _of_task(task: dict[str, Any], where: str) -> list[dict[str, Any]]:
    done = [
        mapped(one, "an annotation", where)
        for one in listed(task.get("annotations", task.get("completions")), "`annotations`", where)
    ]
    done = [one for one in done if not one.get("was_cancelled") and one.get("result")]
    if len(done) > 1:
        raise CytopipeError(
            f"{len(done)} people annotated this image", where=where, hint="keep one annotation a task, and export again"
        )
    return [
        mapped(one, "a result", where) for one in listed(done[0].get("result") if done else None, "`result`", where)
    ]


def _shapes_in(part: object) -> list[dict[str, Any]]:
    """The objects of a list of JSON-MIN, which may be a list of the task's own texts or numbers."""
    return [one for one in part if isinstance(one, dict)] if isinstance(part, list) else []


def _named_apart(results: list[dict[str, Any]], where: str) -> dict[str, list[Any]]:
    """Classes by the id of their shape, where a set-up has `Labels` beside `Rectangle` and not `RectangleLabels`."""
    return {
        str(one.get("id")): listed(mapped(one.get("value"), "`value`", where).get("labels"), "its labels", where)
        for one in results
        if one.get("type") == "labels"
    }


def _of_short_task(task: dict[str, Any]) -> list[dict[str, Any]]:
    """JSON-MIN: shapes as lists beside the image; each holds its value itself."""
    found = []
    for name, part in task.items():
        if name not in _NO_OBJECTS:
            for one in _shapes_in(part):
                kind = next((key for key in one if key.endswith("labels")), "")
                found.append({**one, "type": kind, "value": one})
    return found


def _names(task: dict[str, Any], where: str) -> tuple[str, ...]:
    """What the image may be called: as the task names it, and if it was uploaded, as its file was called before."""
    data = mapped(task.get("data", task), "`data`", where)
    written = data.get("image") or data.get("img") or next(
        (one for one in data.values() if isinstance(one, str) and re.search(r"\.\w{2,5}$", one)), ""
    )  # fmt: skip
    if not isinstance(written, str) or not written:
        raise CytopipeError("the task names no image", where=where, hint="its `data` needs a key `image`")
    try:
        address = urlsplit(written)
    except ValueError as error:
        raise CytopipeError(f"{written[:80]!r} is no address of an image ({error})", where=where) from None
    query = parse_qs(address.query)  # of /data/local-files/?d=... and /storage-data/uploaded/?filepath=...
    local = query.get("d", query.get("filepath", [""]))[0]
    path = PurePosixPath(unquote(local or address.path or written).replace("\\", "/"))
    whole, file = path.as_posix().lstrip("/"), path.name
    is_upload = "upload" in path.parts[:-1]  # its folders are those of Label Studio, not of the images
    return tuple(dict.fromkeys((whole, file, without_upload(file)) if is_upload else (whole,)))


def _size(one: dict[str, Any], where: str) -> tuple[int, int] | None:
    if one.get("original_height") is None or one.get("original_width") is None:
        return None
    sides = (whole(one[f"original_{side}"], f"the {side} of the image", where, 1) for side in ("height", "width"))
    return next(sides), next(sides)


def _annotation(one: dict[str, Any], named: dict[str, list[Any]], where: str) -> Annotation | None:
    kind = str(one.get("type", "")).removesuffix("labels")
    if kind == "bitmask":
        raise CytopipeError("a bitmask is not read", where=where, hint="draw it with BrushLabels, or export COCO")
    if kind not in _SHAPES:
        return None
    value = mapped(one.get("value"), "`value`", where)
    names = [str(name) for name in listed(value.get(f"{kind}labels"), "its labels", where)]
    names = names or [str(name) for name in named.get(str(one.get("id")), ())]
    if len(names) > 1:
        raise CytopipeError(f"it has several classes: {', '.join(names)}", where=where, hint="keep one")
    label = names[0] if names else UNCLASSIFIED
    size = _size(one, where)
    if size is None:
        raise CytopipeError("it does not say the size of its image (original_width, original_height)", where=where)
    if number(one.get("image_rotation") or 0, where) % 360:
        raise CytopipeError("the image was turned for it", where=where, hint="annotate the image as it is")
    height, width = size

    def percent(name: str, of: int) -> float:
        return number(value.get(name), where) * of / 100

    if kind == "brush":
        mask = brush_mask(listed(value.get("rle"), "`rle`", where), size, where)
        if mask is None:
            raise CytopipeError("the mask has no pixel", where=where, hint="remove it")
        return Annotation(label, where, outline=Outline(mask=mask))
    if kind == "polygon":
        points = ring(listed(value.get("points"), "`points`", where), where)
        return Annotation(label, where, outline=polygon(points * (width / 100, height / 100)))
    degrees = number(value.get("rotation") or 0, where)
    left, top = percent("x", width), percent("y", height)
    if kind == "ellipse":
        radii = percent("radiusX", width), percent("radiusY", height)
        return Annotation(label, where, outline=ellipse((left, top), radii, degrees, where))
    across, down = percent("width", width), percent("height", height)
    if not degrees:
        return Annotation(label, where, box=(left, top, left + across, top + down))
    corners = turned(np.array([(0, 0), (across, 0), (across, down), (0, down)]), degrees) + np.array([left, top])
    return Annotation(label, where, outline=polygon(ring(corners.tolist(), where)))
