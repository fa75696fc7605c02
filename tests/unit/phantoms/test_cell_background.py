from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cytopipe.adapters.cell_background import ADAPTER
from cytopipe_phantoms.field import take_field
from cytopipe_phantoms.outlines import coverage
from cytopipe_phantoms.spec import Phantom, read_table
from cytopipe_phantoms.writer import Request
from cytopipe_phantoms.writers.cell_background import (
    TABLE_CLASSES,
    WRITER,
    Picture,
    _fields,
    _off_nuclei,
    take_patches,
)
from cytopipe_phantoms.writers.sipakmed import WRITER as SIPAKMED
from files import contents

TABLE = Path(__file__).parents[3] / "workflow" / "phantoms" / "bethesda.yaml"
REQUEST = Request(seed=2, fields_per_class=4, cells_per_field=8, scale=1.0)
CERVIX = TABLE.with_name("cervix.yaml")
WHOLE_FIELDS = Request(seed=2, fields_per_class=5, cells_per_field=12, scale=0.25)


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("patches")
    WRITER.write(folder, TABLE, REQUEST)
    return folder


def test_the_layout_is_db_3s(patches: Path) -> None:
    assert sorted(path.name for path in (patches / "DB_3").iterdir()) == ["train", "validation"]
    for split in (patches / "DB_3").iterdir():
        assert sorted(path.name for path in split.iterdir()) == ["background", "cell"]
        for folder in split.iterdir():
            names = [path.name for path in folder.iterdir()]
            assert names and all(re.fullmatch(r"slide_00[1-4] \(\d+\)\.png", name) for name in names)


def test_patches_are_20_pixels_of_rgb(patches: Path) -> None:
    for path in patches.rglob("*.png"):
        with Image.open(path) as image:
            assert (image.size, image.mode) == ((20, 20), "RGB")


def test_both_classes_are_of_one_size_and_a_fifth_is_for_validation(patches: Path) -> None:
    counts = {
        (split, name): len(list((patches / "DB_3" / split / name).iterdir()))
        for split in ("train", "validation")
        for name in ("cell", "background")
    }
    assert counts["train", "cell"] == counts["train", "background"] >= 4 * 4
    assert counts["validation", "cell"] == counts["validation", "background"]
    assert counts["validation", "cell"] == (counts["train", "cell"] + counts["validation", "cell"]) // 5


def test_the_middle_of_a_cell_patch_is_a_nucleus_and_that_of_the_background_seldom_is_as_dark() -> None:
    phantom = read_table(TABLE, Phantom, TABLE_CLASSES)
    for slide in (1, 2):
        harvest = take_patches(phantom, slide, count=20, scale=1.0, seed=0)
        cell, background = (
            np.array([patch[8:12, 8:12].mean() for patch in patches]) for patches in (harvest.cell, harvest.background)
        )
        assert cell.mean() < background.mean() - 30
        # Leukocytes are as dark: darkness alone does not tell the classes apart.
        assert background.min() < cell.max()


def test_no_patch_stands_twice(patches: Path) -> None:
    files = contents(patches)
    assert len(set(files.values())) > 0.97 * len(files)


def test_the_same_request_writes_the_same_bytes(patches: Path, tmp_path: Path) -> None:
    WRITER.write(tmp_path, TABLE, REQUEST)
    assert contents(tmp_path) == contents(patches)


def test_more_slides_leave_the_others_as_they_were(patches: Path, tmp_path: Path) -> None:
    WRITER.write(tmp_path, TABLE, replace(REQUEST, fields_per_class=2))
    fewer, more = contents(tmp_path), contents(patches)
    assert len(fewer) < len(more)
    assert fewer.items() <= more.items()


def test_another_seed_draws_other_patches(patches: Path, tmp_path: Path) -> None:
    WRITER.write(tmp_path, TABLE, replace(REQUEST, seed=3, fields_per_class=1))
    own = contents(patches)
    assert not any(own.get(name) == data for name, data in contents(tmp_path).items())


def test_the_adapter_reads_the_layout(patches: Path) -> None:
    samples = ADAPTER.read(patches, {"group_pattern": r"(slide_\d+)"}, "options")
    assert len(samples) == len(list(patches.rglob("*.png")))
    assert {sample.label for sample in samples} == {"cell", "background"}
    assert {"train", "val"} == {sample.split for sample in samples}
    assert {sample.group for sample in samples} == {"slide_001", "slide_002", "slide_003", "slide_004"}


@pytest.fixture(scope="module")
def of_fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("of_fields")
    WRITER.write(folder, CERVIX, WHOLE_FIELDS)
    return folder


def test_patches_of_whole_fields_have_20_pixels_whatever_the_scale(of_fields: Path) -> None:
    files = list(of_fields.rglob("*.png"))
    assert len(files) >= 5 * 2 * 10
    for path in files:
        with Image.open(path) as image:
            assert image.size == (20, 20)


def test_a_tables_whole_fields_are_told_by_its_classes() -> None:
    phantom = read_table(CERVIX, Phantom)
    assert len(phantom.classes) == 5
    harvest = take_patches(phantom, 3, count=15, scale=0.25, seed=0)
    cell, background = (
        np.array([patch[8:12, 8:12].mean() for patch in patches]) for patches in (harvest.cell, harvest.background)
    )
    assert min(len(cell), len(background)) >= 15
    assert np.median(cell) < np.median(background) - 30
    assert background.min() < np.median(cell)  # leukocytes are as dark


def test_most_nuclei_fit_a_patch_at_the_scale_of_the_demos_fields() -> None:
    phantom = read_table(CERVIX, Phantom)
    sides = [
        np.ptp(cell.nucleus, axis=0).mean()
        for name in phantom.classes
        for cell in take_field(phantom, name, count=9, scale=0.25, seed=[0, 1, 2]).cells
    ]
    assert np.mean(np.array(sides) <= 20) > 0.7


def test_no_patch_of_background_holds_a_nucleus_not_even_of_a_cell_that_the_edge_cuts() -> None:
    phantom = read_table(CERVIX, Phantom)
    field = take_field(phantom, "Parabasal", count=9, scale=0.25, seed=[0, 3, 1])
    assert field.bystanders and len(field.leukocytes)
    height, width = field.image.shape[:2]
    marked = np.zeros_like(field.image)  # nuclei white, all else black
    for cell in (*field.cells, *field.bystanders):
        marked[coverage(cell.nucleus, (height, width)) > 0] = 255
    picture = Picture(marked, (*field.cells, *field.bystanders), field.leukocytes)
    patches = _off_nuclei(picture, 20, 60, np.random.default_rng(0))
    assert len(patches) >= 20 and not any(patch.any() for patch in patches)


def test_patches_of_whole_fields_are_of_other_fields_than_a_sipakmed_of_the_same_seed(tmp_path: Path) -> None:
    take = _fields(read_table(CERVIX, Phantom), slide=1, scale=0.125, seed=7)
    SIPAKMED.write(tmp_path, CERVIX, Request(seed=7, fields_per_class=2, cells_per_field=9, scale=0.125))
    fields = {path.read_bytes() for path in tmp_path.glob("im_*/im_*/*.bmp")}
    for number in (1, 2):
        Image.fromarray(take(number).image).save(tmp_path / "one.bmp")
        assert (tmp_path / "one.bmp").read_bytes() not in fields


def test_more_slides_of_whole_fields_leave_the_others_as_they_were(of_fields: Path, tmp_path: Path) -> None:
    WRITER.write(tmp_path, CERVIX, replace(WHOLE_FIELDS, fields_per_class=1))
    assert contents(tmp_path).items() <= contents(of_fields).items()
