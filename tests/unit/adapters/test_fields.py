"""Whole fields with their annotated cells, of the adapters that know them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cytopipe.adapters.registry import ADAPTERS
from cytopipe.data.imaging.decode import read_rgb
from cytopipe.data.imaging.masks import cell_mask
from cytopipe.errors import CytopipeError
from cytopipe_phantoms.writer import Request
from cytopipe_phantoms.writers.sipakmed import WRITER

TABLE = Path(__file__).parents[3] / "workflow/phantoms/cervix.yaml"
SIPAKMED = ADAPTERS["sipakmed"]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    WRITER.write(folder, TABLE, Request(seed=3, fields_per_class=2, cells_per_field=3, scale=0.125))
    return folder


def test_fields_and_isolated_cells_share_groups_and_ids(raw: Path) -> None:
    samples = SIPAKMED.read(raw, {"images": "cells"}, "k")
    fields = SIPAKMED.read_fields(raw)
    assert [field.id for field in fields] == sorted({sample.group for sample in samples})
    cells = {cell.id: (cell.label, field.group) for field in fields for cell in field.cells}
    assert cells == {sample.id: (sample.label, sample.group) for sample in samples}


def test_outlines_lie_in_the_field_as_its_mask_does(raw: Path) -> None:
    masks = {sample.id: sample.mask for sample in SIPAKMED.read(raw, {"images": "fields"}, "k")}
    for field in SIPAKMED.read_fields(raw):
        size = read_rgb(field.image)[0].shape[:2]
        drawn = cell_mask(size, [(cell.cytoplasm, cell.nucleus) for cell in field.cells if cell.nucleus is not None])
        read = masks[field.id]
        assert read is not None and np.array_equal(drawn, read(size))


def test_a_dataset_without_whole_fields_says_so(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match="has no whole fields with outlined cells"):
        ADAPTERS["herlev"].read_fields(tmp_path)


def test_an_archive_without_the_fields_says_what_was_expected(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match="no whole field of this dataset: expected SIPaKMeD"):
        SIPAKMED.read_fields(tmp_path)


def test_a_field_without_outlines_is_refused(raw: Path, tmp_path: Path) -> None:
    folder = tmp_path / "im_Parabasal/im_Parabasal"
    folder.mkdir(parents=True)
    (folder / "001.bmp").write_bytes((raw / "im_Parabasal/im_Parabasal/001.bmp").read_bytes())
    with pytest.raises(CytopipeError, match=r"no contour 001_cyt\*\.dat lies beside it"):
        SIPAKMED.read_fields(tmp_path)
