"""A field with two cells and their nuclei, annotated in the format of every program that is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco

from cytopipe.data.imaging.masks import fill_polygon

HEIGHT, WIDTH = 60, 80
SIZE = HEIGHT, WIDTH
# Outlines with fractions, as SIPaKMeD's are: class, cell, nucleus.
CELLS: tuple[tuple[str, np.ndarray, np.ndarray], ...] = (
    (
        "high",
        np.array([(5.3, 6.9), (30.2, 4.1), (33.7, 25.5), (12.4, 31.8)]),
        np.array([(14.1, 12.2), (21.9, 11.5), (18, 20.6)]),
    ),
    (
        "low",
        np.array([(42.5, 30.5), (70.1, 33.3), (66.6, 55.2), (45.9, 52.4)]),
        np.array([(50.2, 38.3), (58.8, 39.1), (54.4, 46.7)]),
    ),
)
Write = Callable[[Path], None]


def pixels(outline: np.ndarray) -> np.ndarray:
    """What an outline holds by the rule of SIPaKMeD: H x W bool."""
    mask = np.zeros(SIZE, np.uint8)
    fill_polygon(mask, outline, 1)
    return mask.astype(bool)


def field(path: Path, seed: int = 0) -> None:
    """An image of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), np.uint8)
    Image.fromarray(noise).save(path)


def polygon(outline: np.ndarray) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [[*outline.tolist(), outline[0].tolist()]]}


def geojson(folder: Path, cells: Sequence[Any] = CELLS, name: str = "a.geojson") -> None:
    features = [
        {
            "type": "Feature",
            "geometry": polygon(cell),
            "nucleusGeometry": polygon(nucleus),
            "properties": {"objectType": "cell", "classification": {"name": label, "color": [200, 0, 0]}},
        }
        for label, cell, nucleus in cells
    ]
    (folder / name).write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def runs(mask: np.ndarray, compressed: bool) -> dict[str, Any]:
    encoded = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    if compressed:
        return {"size": list(SIZE), "counts": encoded["counts"].decode()}
    flat = np.r_[0, mask.T.ravel().astype(int), 0]
    edges = np.flatnonzero(np.diff(flat))
    return {"size": list(SIZE), "counts": np.diff(np.r_[0, edges, mask.size]).tolist()}


def coco_file(folder: Path, kind: str = "polygon", image: str = "images/a.png") -> None:
    """Cells and nuclei as polygons, or as runs (rle, packed), or cells as boxes."""
    shapes = [(number, outline) for number, cell in enumerate(CELLS, start=1) for outline in cell[1:]]
    annotations: list[dict[str, Any]] = []
    for place, (number, outline) in enumerate(shapes):
        one: dict[str, Any] = {"id": place, "image_id": 7, "category_id": 3 if place % 2 else number, "iscrowd": 0}
        if kind == "polygon":
            one["segmentation"] = [outline.ravel().tolist()]
        elif kind == "box":
            low, high = outline.min(axis=0), outline.max(axis=0)
            one["bbox"] = [*low.tolist(), *(high - low).tolist()]
        else:
            one["segmentation"] = runs(pixels(outline), kind == "packed")
        if kind != "box" or not place % 2:
            annotations.append(one)
    value = {
        "images": [{"id": 7, "file_name": image, "height": HEIGHT, "width": WIDTH}],
        "categories": [{"id": 1, "name": "high"}, {"id": 2, "name": "low"}, {"id": 3, "name": "nucleus"}],
        "annotations": annotations,
    }
    (folder / "instances.json").write_text(json.dumps(value))


def voc(folder: Path) -> None:
    objects = "".join(
        "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>".format(
            label, *(cell.min(axis=0).astype(int) + 1), *(np.ceil(cell.max(axis=0)).astype(int))
        )
        for label, cell, _ in CELLS
    )
    (folder / "a.xml").write_text(
        f"<annotation><filename>a.png</filename><size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth>"
        f"</size>{objects}</annotation>"
    )


def yolo(folder: Path, boxes: bool = False) -> None:
    """Lines of polygons or boxes in labels/, and the classes in data.yaml."""
    (folder / "labels").mkdir(exist_ok=True)
    lines = []
    for number, (_, *outlines) in enumerate(CELLS):
        for kind, outline in zip((number, 2), outlines, strict=True):
            shares = outline / (WIDTH, HEIGHT)
            low, high = shares.min(axis=0), shares.max(axis=0)
            values = [*((low + high) / 2), *(high - low)] if boxes else shares.ravel()
            if not boxes or kind != 2:
                lines.append(f"{kind} " + " ".join(repr(float(value)) for value in values))
    (folder / "labels/a.txt").write_text("\n".join(lines) + "\n")
    (folder / "data.yaml").write_text("train: images\nnames: {0: high, 1: low, '2': nucleus}\n")


def _percent(outline: np.ndarray) -> list[list[float]]:
    result: list[list[float]] = (outline / (WIDTH, HEIGHT) * 100).tolist()
    return result


def label_studio(folder: Path, kind: str = "polygon") -> None:
    results: list[dict[str, Any]] = []
    for label, cell, nucleus in CELLS:
        for name, outline in ((label, cell), ("nucleus", nucleus)):
            if kind == "polygon":
                value: dict[str, Any] = {"points": _percent(outline), "polygonlabels": [name]}
            elif kind == "brush":
                value = {"format": "rle", "rle": brush(pixels(outline)), "brushlabels": [name]}
            else:
                points = np.array(_percent(outline))
                (x, y), (width, height) = points.min(axis=0), np.ptp(points, axis=0)
                value = {"x": x, "y": y, "width": width, "height": height, "rectanglelabels": [name]}
            if kind != "rectangle" or name != "nucleus":
                results.append(
                    {"type": f"{kind}labels", "value": value, "original_width": WIDTH, "original_height": HEIGHT}
                )
    task = {"id": 1, "data": {"image": "/data/upload/1/0a1b2c3d-a.png"}, "annotations": [{"result": results}]}
    (folder / "export.json").write_text(json.dumps([task]))


def brush(mask: np.ndarray) -> list[int]:
    """The packing of Label Studio, every value written out (rle-pack allows it): no run is shortened."""
    flat = np.repeat(mask.ravel().astype(np.uint8) * 255, 4)
    bits = [np.array([int(bit) for bit in f"{flat.size:032b}" + f"{7:05b}" + "0011" * 4], np.uint8)]
    for start in range(0, flat.size, 16):
        part = flat[start : start + 16]
        repeats = bool((part == part[0]).all())
        head = f"{int(repeats)}00{len(part) - 1:04b}"
        words = part[:1] if repeats else part
        bits.append(np.r_[np.array([int(bit) for bit in head], np.uint8), np.unpackbits(words)])
    result: list[int] = np.packbits(np.concatenate(bits)).tolist()
    return result


def asap(folder: Path) -> None:
    annotations = "".join(
        f'<Annotation Name="{place}" Type="Polygon" PartOfGroup="{name}" Color="#F4FA58"><Coordinates>'
        + "".join(f'<Coordinate Order="{n}" X="{x!r}" Y="{y!r}"/>' for n, (x, y) in enumerate(outline.tolist()))
        + "</Coordinates></Annotation>"
        for place, (label, cell, nucleus) in enumerate(CELLS)
        for name, outline in ((label, cell), ("nucleus", nucleus))
    )
    (folder / "a.xml").write_text(
        f'<?xml version="1.0"?><ASAP_Annotations><Annotations>{annotations}</Annotations><AnnotationGroups>'
        '<Group Name="high" PartOfGroup="None" Color="#ff0000"/></AnnotationGroups></ASAP_Annotations>'
    )


def cvat(folder: Path, masks: bool = False) -> None:
    shapes = []
    for group, (label, cell, nucleus) in enumerate(CELLS, start=1):
        for name, outline in ((label, cell), ("nucleus", nucleus)):
            if not masks:
                points = ";".join(f"{x!r},{y!r}" for x, y in outline.tolist())
                shapes.append(f'<polygon label="{name}" group_id="{group}" points="{points}"/>')
                continue
            rows, columns = np.nonzero(pixels(outline))
            top, left = rows.min(), columns.min()
            part = pixels(outline)[top : rows.max() + 1, left : columns.max() + 1]
            flat = np.r_[0, part.ravel().astype(int), 0]
            lengths = np.diff(np.r_[0, np.flatnonzero(np.diff(flat)), part.size]).tolist()
            rle = ", ".join(map(str, lengths))
            shapes.append(
                f'<mask label="{name}" rle="{rle}" left="{left}" top="{top}" width="{part.shape[1]}" '
                f'height="{part.shape[0]}"/>'
            )
    (folder / "annotations.xml").write_text(
        f'<annotations><version>1.1</version><image id="0" name="a.png" width="{WIDTH}" height="{HEIGHT}">'
        f"{''.join(shapes)}</image></annotations>"
    )


OUTLINED: dict[str, Write] = {
    "geojson": geojson,
    "coco": coco_file,
    "coco runs": lambda folder: coco_file(folder, "rle"),
    "coco packed runs": lambda folder: coco_file(folder, "packed"),
    "yolo": yolo,
    "label studio": label_studio,
    "label studio brush": lambda folder: label_studio(folder, "brush"),
    "asap": asap,
    "cvat": cvat,
    "cvat masks": lambda folder: cvat(folder, masks=True),
}
BOXES: dict[str, Write] = {
    "coco": lambda folder: coco_file(folder, "box"),
    "voc": voc,
    "yolo": lambda folder: yolo(folder, boxes=True),
    "label studio": lambda folder: label_studio(folder, "rectangle"),
}
