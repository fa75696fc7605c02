"""Draw the pictures of the documentation of phantoms: python docs/tools/figures.py.

phantoms.png: fields of SIPaKMeD's layout, and cells with their true contours. layouts.png: the other layouts.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from cytopipe import paths
from cytopipe.adapters.registry import adapter
from cytopipe.adapters.sipakmed import CLASSES, read_contour
from cytopipe.core.params import PhantomSource
from cytopipe.sources.phantom import draw_phantoms

IMAGES = Path("docs/images")
FIELD = (300, 225)
CELL = 96
GAP = 6
CYTOPLASM, NUCLEUS = "#ffffff", "#ffd23f"
SHOWN = 2  # images per class
LAYOUTS: dict[str, dict[str, Any]] = {
    "hep2": {"fields_per_class": 2, "cells_per_field": 4, "scale": 1.0},
    "malaria": {"fields_per_class": 6, "cells_per_field": 3, "scale": 0.8},
    "wbc": {"fields_per_class": 3, "cells_per_field": 2, "scale": 1.0},
    "herlev": {"fields_per_class": 4, "cells_per_field": 2, "scale": 0.5},
    "bethesda": {"fields_per_class": 4, "cells_per_field": 2, "scale": 1.0},
    "cell_background": {"fields_per_class": 4, "cells_per_field": 4, "scale": 1.0},
}


def draw(folder: Path, layout: str, table: str, **size: Any) -> Path:
    """A folder with phantoms in a layout."""
    target = folder / layout
    target.mkdir()
    file = paths.PHANTOMS / f"{table}.yaml"
    source = PhantomSource(kind="phantom", layout=layout, path=file, seed=7, **size)
    draw_phantoms(source, target, dataset=layout, progress=None, workers=1)
    return target


def cell_with_contours(image: Path) -> Image.Image:
    """A cropped cell, CELL px square, with its cytoplasm and nucleus outlined."""
    cell = Image.open(image).convert("RGB")
    scale = (CELL / cell.width, CELL / cell.height)
    drawn = cell.resize((CELL, CELL), Image.Resampling.LANCZOS)
    pen = ImageDraw.Draw(drawn)
    for part, color in (("cyt", CYTOPLASM), ("nuc", NUCLEUS)):
        points = read_contour(image.with_name(f"{image.stem}_{part}.dat")) * scale
        pen.line([tuple(point) for point in (*points, points[0])], fill=color, width=1)
    return drawn


def column(label: str, files: Path) -> Image.Image:
    """One class: its name, a field, and six cells."""
    folder = files / f"im_{label}" / f"im_{label}"
    sheet = Image.new("RGB", (FIELD[0], FIELD[1] + 20 + 2 * (CELL + GAP)), "white")
    ImageDraw.Draw(sheet).text((2, 2), label, fill="black", font_size=14)
    sheet.paste(Image.open(folder / "003.bmp").resize(FIELD, Image.Resampling.LANCZOS), (0, 20))
    for index in range(6):
        cell = cell_with_contours(sorted((folder / "CROPPED").glob("*_01.bmp"))[index])
        row, place = divmod(index, 3)
        sheet.paste(cell, (place * (CELL + GAP), FIELD[1] + 20 + GAP + row * (CELL + GAP)))
    return sheet


def strip(layout: str, files: Path) -> Image.Image:
    """Images of every class of a layout, as its adapter reads them, in one row."""
    samples = adapter(layout, "layout").read(files, {}, "options")
    tiles = []
    for label in dict.fromkeys(sample.label for sample in samples):
        own = [sample for sample in samples if sample.label == label]
        for sample in own[:: max(1, len(own) // SHOWN)][:SHOWN]:
            tiles.append(
                (label, Image.open(sample.image).convert("RGB").resize((CELL, CELL), Image.Resampling.BICUBIC))
            )
    row = Image.new("RGB", (len(tiles) * (CELL + GAP), CELL + 34), "white")
    pen = ImageDraw.Draw(row)
    pen.text((2, 0), layout, fill="black", font_size=13)
    for index, (label, tile) in enumerate(tiles):
        if index % SHOWN == 0:
            pen.text((index * (CELL + GAP) + 2, 17), label, fill="#555555", font_size=12)
        row.paste(tile, (index * (CELL + GAP), 34))
    return row


def save(sheet: Image.Image, name: str) -> None:
    """Write a picture with a palette: a third of the size."""
    sheet.convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(IMAGES / name, optimize=True)


def main() -> None:
    """Write both pictures."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = draw(folder, "sipakmed", "cervix", fields_per_class=7, cells_per_field=9, scale=0.25)
        columns = [column(label, files) for label in CLASSES]
        width, height = columns[0].size
        sheet = Image.new("RGB", (len(columns) * (width + GAP) - GAP, height), "white")
        for index, one in enumerate(columns):
            sheet.paste(one, (index * (width + GAP), 0))
        save(sheet, "phantoms.png")
        tables = {"cell_background": "bethesda"}
        rows = [strip(name, draw(folder, name, tables.get(name, name), **size)) for name, size in LAYOUTS.items()]
        sheet = Image.new("RGB", (max(row.width for row in rows), sum(row.height + GAP for row in rows)), "white")
        top = 0
        for row in rows:
            sheet.paste(row, (0, top))
            top += row.height + GAP
        save(sheet, "layouts.png")


if __name__ == "__main__":
    main()
