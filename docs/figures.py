"""Write the README's picture of the phantoms from what the demo downloaded: python docs/figures.py.

A field of every class, and below it cells of that class with their true contours.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

from cytopipe import paths
from cytopipe.datasets.sipakmed import CLASSES, read_contour

FIELD = (300, 225)
CELL = 96
GAP = 6
CYTOPLASM, NUCLEUS = "#ffffff", "#ffd23f"


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


def main() -> None:
    """Write docs/images/phantoms.png."""
    columns = [column(label, paths.Raw("phantoms").files) for label in CLASSES]
    width, height = columns[0].size
    sheet = Image.new("RGB", (len(columns) * (width + GAP) - GAP, height), "white")
    for index, one in enumerate(columns):
        sheet.paste(one, (index * (width + GAP), 0))
    sheet.convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save("docs/images/phantoms.png", optimize=True)


if __name__ == "__main__":
    main()
