from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cytopipe.adapters.herlev import ADAPTER
from cytopipe.errors import CytopipeError
from cytopipe_phantoms.outlines import coverage
from cytopipe_phantoms.spec import Phantom, read_table
from cytopipe_phantoms.writer import Request
from cytopipe_phantoms.writers.herlev import (
    BACKGROUND,
    CLASSES,
    CYTOPLASM,
    NUCLEUS,
    UNDEFINED,
    WRITER,
    take_slide,
)
from files import contents
from samples import true_mask

TABLE = Path(__file__).parents[3] / "workflow" / "phantoms" / "herlev.yaml"
CERVIX = TABLE.with_name("cervix.yaml")
REQUEST = Request(seed=3, fields_per_class=3, cells_per_field=4, scale=0.4)


def is_colour(segmentation: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.asarray((segmentation == colour).all(axis=-1))


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("herlev")
    WRITER.write(folder, TABLE, REQUEST)
    return folder


def test_the_layout_is_herlevs(cells: Path) -> None:
    root = cells / "smear2005" / "New database pictures"
    assert sorted(path.name for path in root.iterdir()) == sorted(CLASSES)
    for folder in root.iterdir():
        pictures = sorted(path.name for path in folder.iterdir() if path.suffix == ".BMP")
        assert len(pictures) >= 3 and all(re.fullmatch(r"\d{9}-\d{9}-\d{3}\.BMP", name) for name in pictures)
        masks = sorted(path.name for path in folder.iterdir() if path.suffix == ".bmp")
        assert masks == sorted(f"{name[:-4]}-d.bmp" for name in pictures)


def test_a_segmentation_is_of_its_pictures_size_and_four_colours(cells: Path) -> None:
    for path in cells.rglob("*.BMP"):
        with Image.open(path) as image, Image.open(path.with_name(f"{path.stem}-d.bmp")) as mask:
            assert (image.mode, mask.mode, image.format) == ("RGB", "RGB", "BMP")
            assert image.size == mask.size
            colours = {colour for _, colour in mask.getcolors() or ()}
        assert {BACKGROUND, CYTOPLASM, NUCLEUS} <= colours <= {BACKGROUND, CYTOPLASM, NUCLEUS, UNDEFINED}


def test_some_slides_hold_two_neighbouring_grades(cells: Path) -> None:
    classes = defaultdict(set)
    for path in cells.rglob("*.BMP"):
        classes[path.name.split("-")[0]].add(path.parent.name)
    assert {frozenset(names) for names in classes.values() if len(names) > 1} == {
        frozenset({"moderate_dysplastic", "severe_dysplastic"}),
        frozenset({"severe_dysplastic", "carcinoma_in_situ"}),
    }
    assert len(classes) == 7 * 3 - 2


def test_the_segmentation_is_the_drawings(cells: Path) -> None:
    phantom = read_table(TABLE, Phantom, CLASSES)
    for _, portrait in take_slide(phantom, "light_dysplastic", 1, count=5, scale=0.5, seed=1):
        size = portrait.image.shape[:2]
        nucleus = coverage(portrait.cell.nucleus, size) >= 0.5
        whole = coverage(portrait.cell.cytoplasm, size) >= 0.5
        np.testing.assert_array_equal(is_colour(portrait.segmentation, NUCLEUS), nucleus)
        np.testing.assert_array_equal(is_colour(portrait.segmentation, CYTOPLASM), whole & ~nucleus)


def test_nuclei_are_darker_than_their_cytoplasm(cells: Path) -> None:
    darker = []
    for path in cells.rglob("*.BMP"):
        grey = np.asarray(Image.open(path).convert("L"), dtype=np.float64)
        mask = np.asarray(Image.open(path.with_name(f"{path.stem}-d.bmp")))
        darker.append(grey[is_colour(mask, NUCLEUS)].mean() < grey[is_colour(mask, CYTOPLASM)].mean() - 5)
    assert np.mean(darker) > 0.95


def test_the_nucleus_takes_more_of_the_cell_from_grade_to_grade() -> None:
    phantom = read_table(TABLE, Phantom, CLASSES)
    ratios, order = {}, ["normal_superficiel", "normal_intermediate", *CLASSES[3:]]
    for name in order:
        shares = []
        for slide in (1, 2, 3):
            for _, portrait in take_slide(phantom, name, slide, count=6, scale=0.3, seed=0):
                nucleus = is_colour(portrait.segmentation, NUCLEUS).sum()
                shares.append(nucleus / (nucleus + is_colour(portrait.segmentation, CYTOPLASM).sum()))
        ratios[name] = np.array(shares)
    means = [ratios[name].mean() for name in order]
    assert means == sorted(means)
    # No threshold parts two neighbouring grades.
    for milder, worse in pairwise(order[2:]):
        assert ratios[milder].max() > ratios[worse].min()


def test_the_same_request_writes_the_same_bytes(cells: Path, tmp_path: Path) -> None:
    WRITER.write(tmp_path, TABLE, REQUEST)
    assert contents(tmp_path) == contents(cells)


def test_more_slides_leave_the_others_as_they_were(cells: Path, tmp_path: Path) -> None:
    WRITER.write(tmp_path, TABLE, replace(REQUEST, fields_per_class=1))
    fewer, more = contents(tmp_path), contents(cells)
    assert len(fewer) < len(more)
    assert fewer.items() <= more.items()


def test_another_seed_draws_other_cells(cells: Path, tmp_path: Path) -> None:
    WRITER.write(tmp_path, TABLE, replace(REQUEST, seed=4, fields_per_class=1))
    other, own = contents(tmp_path), contents(cells)
    assert not any(own.get(name) == data for name, data in other.items())


def test_a_table_of_other_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match="normal_superficiel"):
        WRITER.write(tmp_path / "out", CERVIX, REQUEST)
    assert not (tmp_path / "out").exists()


def test_progress_counts_every_slide(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    request = replace(REQUEST, fields_per_class=1, cells_per_field=1, scale=0.1)
    WRITER.write(tmp_path, TABLE, request, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(number, 7) for number in range(1, 8)]


def test_the_adapter_reads_the_layout(cells: Path) -> None:
    samples = ADAPTER.read(cells, {}, "options")
    assert len(samples) == len(list(cells.rglob("*.BMP")))
    assert {sample.label for sample in samples} == set(CLASSES)
    assert len({sample.group for sample in samples}) == 7 * 3 - 2
    for sample in samples:
        with Image.open(sample.image) as image:
            mask = true_mask(sample, image.size[::-1])
        colours = np.asarray(Image.open(sample.image.with_name(f"{sample.image.stem}-d.bmp")))
        np.testing.assert_array_equal(mask == 2, is_colour(colours, NUCLEUS))
        np.testing.assert_array_equal(mask == 1, is_colour(colours, CYTOPLASM))
