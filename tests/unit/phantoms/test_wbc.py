from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cytopipe.adapters.wbc import ADAPTER
from cytopipe_phantoms import leukocytes
from cytopipe_phantoms.leukocytes import Cell, draw_cell, paint_cell
from cytopipe_phantoms.outlines import area, clearance, coverage
from cytopipe_phantoms.romanowsky import AZURE, BLUE, EOSIN
from cytopipe_phantoms.spec import read_table
from cytopipe_phantoms.traits import draw_scores, draw_traits
from cytopipe_phantoms.writer import Request
from cytopipe_phantoms.writers.wbc import CLASSES, WRITER, Wbc, prepare_slide, take_cell
from files import contents
from samples import true_mask

TABLE = Path(__file__).parents[3] / "workflow" / "phantoms" / "wbc.yaml"
REQUEST = Request(seed=3, fields_per_class=3, cells_per_field=2, scale=0.5)
MIDDLE = np.array([60.0, 60.0])


@pytest.fixture(scope="module")
def phantom() -> Wbc:
    return read_table(TABLE, Wbc)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wbc")
    WRITER.write(folder, TABLE, REQUEST)
    return folder


def drawn(phantom: Wbc, name: str, count: int) -> list[Cell]:
    rng, kind = np.random.default_rng(11), phantom.classes[name]
    return [draw_cell(draw_traits(kind, draw_scores(kind, rng), 0.0, rng), rng) for _ in range(count)]


def painted(cell: Cell, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Amounts of dye, share within the cell, share within the nucleus; alone in its picture."""
    side = round(120 * scale)
    amounts = np.zeros((side, side, 3), np.float32)
    whole, nucleus = paint_cell(amounts, cell.at(MIDDLE, scale), scale, np.random.default_rng(1))
    return amounts, whole, nucleus


def ratio(cell: Cell) -> float:
    _, whole, nucleus = painted(cell)
    return float(nucleus.sum() / whole.sum())


def test_the_layout_is_that_of_dataset_1(cells: Path) -> None:
    root = cells / "segmentation_WBC"
    assert sorted(path.name for path in root.iterdir()) == ["Class Labels of Dataset 1.csv", "Dataset 1"]
    names = [f"{number:03d}{end}" for number in range(1, 31) for end in (".bmp", ".png")]
    assert sorted(path.name for path in (root / "Dataset 1").iterdir()) == names
    lines = (root / "Class Labels of Dataset 1.csv").read_bytes().decode().split("\r\n")
    assert lines[0] == "image ID,class label"
    labels = 3 * [label for label in range(1, 6) for _ in range(2)]
    assert lines[1:] == [*(f"{number},{label}" for number, label in enumerate(labels, start=1)), ""]


def test_images_and_masks_are_of_one_size(cells: Path, phantom: Wbc) -> None:
    for path in cells.rglob("*.bmp"):
        with Image.open(path) as image, Image.open(path.with_suffix(".png")) as mask:
            assert (image.size, image.mode, image.format) == ((60, 60), "RGB", "BMP")
            assert (mask.size, mask.mode) == ((60, 60), "L")
            assert {value for _, value in mask.getcolors() or ()} == {0, 128, 255}
    full, _ = take_cell(phantom, "monocyte", prepare_slide(phantom, 1.0, [0]), scale=1.0, seed=[0])
    assert full.shape == (120, 120, 3)


def test_the_adapter_reads_it(cells: Path) -> None:
    samples = ADAPTER.read(cells, {}, "datasets.wbc")
    assert Counter(sample.label for sample in samples) == dict.fromkeys(CLASSES, 6)
    assert all(sample.mask is not None and true_mask(sample, (60, 60)).any() for sample in samples)


@pytest.mark.parametrize("name", CLASSES)
def test_nuclei_lie_within_their_cells(phantom: Wbc, name: str) -> None:
    for cell in drawn(phantom, name, 40):
        assert clearance(cell.cytoplasm, np.concatenate(cell.lobes)) >= 0.04 * cell.traits["radius"]


@pytest.mark.parametrize("scale", [0.4, 1.0])
@pytest.mark.parametrize("name", CLASSES)
def test_dye_lies_exactly_where_the_cell_and_its_nucleus_are(phantom: Wbc, name: str, scale: float) -> None:
    for cell in drawn(phantom, name, 4):
        plain = Cell(cell.cytoplasm, cell.lobes, np.zeros((0, 2)), np.zeros((0, 2)), cell.traits)
        amounts, whole, nucleus = painted(plain, scale)
        np.testing.assert_array_equal(amounts[..., AZURE] > 0, nucleus > 0)
        assert (amounts.sum(axis=2)[whole > 0] > 0).all()
        assert (amounts[whole == 0] == 0).all()


def test_the_mask_is_the_drawn_outlines(phantom: Wbc, monkeypatch: pytest.MonkeyPatch) -> None:
    placed: list[Cell] = []

    def note(amounts: np.ndarray, cell: Cell, scale: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        placed.append(cell)
        return paint_cell(amounts, cell, scale, rng)

    monkeypatch.setattr(leukocytes, "paint_cell", note)
    slide = prepare_slide(phantom, 0.8, [1])
    for index, name in enumerate(CLASSES):
        _, mask = take_cell(phantom, name, slide, scale=0.8, seed=[1, index])
        cell = placed[-1]
        lobes = np.max([coverage(lobe, mask.shape) for lobe in cell.lobes], axis=0) >= 0.5
        whole = coverage(cell.cytoplasm, mask.shape) >= 0.5
        np.testing.assert_array_equal(mask == 255, lobes)
        np.testing.assert_array_equal(mask == 128, whole & ~lobes)
        assert np.count_nonzero(whole) == pytest.approx(area(cell.cytoplasm), rel=0.05)


def test_nuclei_are_darker_than_cytoplasm_and_that_than_the_background(cells: Path) -> None:
    for path in cells.rglob("*.bmp"):
        green = np.asarray(Image.open(path))[..., 1].astype(np.float64)
        mask = np.asarray(Image.open(path.with_suffix(".png")))
        assert green[mask == 255].mean() < green[mask == 128].mean() < np.quantile(green[mask == 0], 0.5)


def test_nothing_else_lies_over_the_white_cell(phantom: Wbc) -> None:
    slide = prepare_slide(phantom, 0.5, [4])
    crowded = phantom.surroundings.model_copy(update={"red_cells": 30.0, "platelets": 10.0})
    bare = phantom.surroundings.model_copy(update={"red_cells": 0.0, "platelets": 0.0})
    for name in CLASSES:
        pictures = []
        for surroundings in (crowded, bare):
            table = phantom.model_copy(update={"surroundings": surroundings})
            pictures.append(take_cell(table, name, slide, scale=0.5, seed=[4, CLASSES.index(name)]))
        (full, mask), (empty, _) = pictures
        background = mask == 0
        inside = np.abs(full.astype(float) - empty)[~background].mean()
        assert inside < 0.6 * np.abs(full.astype(float) - empty)[background].mean()


def test_neutrophils_have_more_lobes_than_eosinophils_and_these_than_lymphocytes(phantom: Wbc) -> None:
    lobes = {name: np.array([round(c.traits["lobes"]) for c in drawn(phantom, name, 120)]) for name in CLASSES}
    assert lobes["neutrophil"].mean() > lobes["eosinophil"].mean() + 0.5
    assert (lobes["lymphocyte"] == 1).all()
    assert np.mean(lobes["neutrophil"] == 2) > 0.1  # the overlap
    assert np.mean(lobes["eosinophil"] == 3) > 0.05


def test_lymphocytes_are_the_smallest_with_the_largest_nucleus_for_their_size(phantom: Wbc) -> None:
    groups = {name: drawn(phantom, name, 60) for name in CLASSES}
    radii = {name: np.mean([cell.traits["radius"] for cell in group]) for name, group in groups.items()}
    ratios = {name: np.mean([ratio(cell) for cell in group]) for name, group in groups.items()}
    assert min(radii, key=radii.__getitem__) == "lymphocyte" == max(ratios, key=ratios.__getitem__)
    assert ratios["monocyte"] > 1.25 * ratios["neutrophil"]


def test_granules_are_red_in_eosinophils_and_dark_in_basophils_and_monocytes_are_blue(phantom: Wbc) -> None:
    dyes = {}
    for name in CLASSES:
        means = []
        for cell in drawn(phantom, name, 30):
            amounts, whole, nucleus = painted(cell)
            means.append(amounts[(whole > 0.9) & (nucleus == 0)].mean(axis=0))
        dyes[name] = np.mean(means, axis=0)
    assert max(CLASSES, key=lambda name: dyes[name][EOSIN]) == "eosinophil"
    assert max(CLASSES, key=lambda name: dyes[name][AZURE]) == "basophil"
    assert dyes["monocyte"][BLUE] > 2 * dyes["neutrophil"][BLUE]


def test_cells_of_one_smear_share_its_light(phantom: Wbc) -> None:
    blues = []
    for number in range(12):
        slide = prepare_slide(phantom, 0.4, [6, number])
        images = [take_cell(phantom, "lymphocyte", slide, scale=0.4, seed=[6, number, cell])[0] for cell in range(3)]
        blues.append([np.quantile(image[..., 2], 0.75) for image in images])
    assert np.std(blues, axis=1).mean() < 0.3 * np.mean(blues, axis=1).std()


def test_the_same_arguments_write_the_same_bytes(cells: Path, tmp_path: Path) -> None:
    np.random.seed(99)  # the global generator must not matter
    WRITER.write(tmp_path, TABLE, REQUEST)
    assert contents(tmp_path) == contents(cells)


def test_more_smears_leave_the_others_as_they_were(cells: Path, tmp_path: Path) -> None:
    WRITER.write(tmp_path, TABLE, replace(REQUEST, fields_per_class=2))
    fewer = {name: data for name, data in contents(tmp_path).items() if not name.endswith(".csv")}
    assert len(fewer) == 40 and fewer.items() <= contents(cells).items()
