"""The layout of every published dataset in small, as its publisher distributes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cytopipe.adapters import hep2, herlev
from fixture_types import LayOut, SaveImage


def sipakmed(raw: Path, save: SaveImage) -> None:
    for label in ("Dyskeratotic", "Parabasal"):
        cell = raw / f"im_{label}/im_{label}/CROPPED/001_01.bmp"
        save(cell)
        for part in ("cyt", "nuc"):
            cell.with_name(f"001_01_{part}.dat").write_text("1,1\n5,1\n5,5\n")


def wbc(raw: Path, save: SaveImage) -> None:
    for number in (1, 2):
        save(raw / f"segmentation_WBC/Dataset 1/{number:03d}.bmp", number)
        Image.fromarray(np.zeros((12, 10), np.uint8)).save(raw / f"segmentation_WBC/Dataset 1/{number:03d}.png")
    table = raw / "segmentation_WBC/Class Labels of Dataset 1.csv"
    table.write_bytes(b"image ID,class label\r\n1,1\r\n2,3\r\n")


def hep2_flat(raw: Path, save: SaveImage) -> None:
    """Two images of each class, ids 1 to 12: of each class the first for training; the other for val or test."""
    rows = ["Image ID,Image class"]
    for number in range(1, 13):
        folder = "training" if number % 2 else ("validation", "test")[number % 4 // 2]
        save(raw / f"hep2/{folder}/{number:05d}.png", number)
        rows.append(f"{number:05d},{hep2.CLASSES[(number - 1) // 2]}")
    (raw / "hep2/gt_training.csv").write_text("\n".join(rows) + "\n")


def malaria(raw: Path, save: SaveImage) -> None:
    for seed, (label, cell) in enumerate((label, cell) for label in ("Parasitized", "Uninfected") for cell in (1, 2)):
        slide = f"C{100 + cell}P{61 + cell}ThinF"
        name = f"{slide}_IMG_20150918_144104_cell_{seed}.png"
        save(raw / "cell_images" / label / name, seed)


def herlev_pictures(raw: Path, save: SaveImage) -> None:
    for index, label in enumerate(herlev.CLASSES):
        stem = f"14849496{index // 2}-148494986-{index:03d}"
        folder = raw / "smear2005/New database pictures" / label
        save(folder / f"{stem}.BMP", index)
        colours = np.zeros((12, 10, 3), np.uint8)
        colours[:] = 255, 0, 0
        colours[2:10, 2:8], colours[4:6, 4:6], colours[2, 2:8] = (0, 0, 128), (0, 0, 255), (128, 128, 128)
        Image.fromarray(colours).save(folder / f"{stem}-d.bmp")


def bethesda(raw: Path, save: SaveImage) -> None:
    names = {"1": "HSIL_1", "2": "LSIL_1", "3": "NL_10_", "4": "scc_2"}
    for split, copies in (("train", (1, 2)), ("validation", (3,))):
        for folder, name in names.items():
            for copy in copies:
                save(raw / f"DB_4/{split}/{folder}/{name} ({copy}).jpg", int(folder) * 10 + copy)


def cell_background(raw: Path, save: SaveImage) -> None:
    for split in ("train", "validation"):
        for seed, label in enumerate(("cell", "background")):
            save(raw / f"DB_3/{split}/{label}/slide_001 ({len(split)}).png", seed, size=(20, 20))


LAYOUTS: dict[str, Callable[[Path, SaveImage], None]] = {
    "sipakmed": sipakmed,
    "wbc": wbc,
    "hep2": hep2_flat,
    "malaria": malaria,
    "herlev": herlev_pictures,
    "bethesda": bethesda,
    "cell_background": cell_background,
}


@pytest.fixture
def lay_out(save_image: SaveImage) -> LayOut:
    """Write the layout of a dataset below a folder."""

    def write(name: str, raw: Path) -> Path:
        LAYOUTS[name](raw, save_image)
        return raw

    return write
