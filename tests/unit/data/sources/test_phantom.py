from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from cytopipe.data.adapters.registry import ADAPTERS
from cytopipe.data.sources.fetch import fetch
from cytopipe.data.sources.phantom import WRITERS
from cytopipe.errors import CytopipeError
from cytopipe.params import PhantomSource
from cytopipe.params.datasets import Layout
from cytopipe_phantoms.writers.sipakmed import write_sipakmed

TABLES = Path(__file__).parents[4] / "workflow" / "phantoms"
TABLE = {layout: f"{layout}.yaml" for layout in get_args(Layout)} | {
    "sipakmed": "cervix.yaml",
    "cell_background": "bethesda.yaml",
}


def source(layout: str | None, **changes: object) -> PhantomSource:
    chosen = {} if layout is None else {"layout": layout}
    path = TABLES / TABLE[layout or "sipakmed"]
    small = {"path": path, "fields_per_class": 5, "cells_per_field": 2, "scale": 0.25, "seed": 1}
    return PhantomSource(kind="phantom", **{**small, **chosen, **changes})


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_layout_of_the_parameters_has_a_writer_and_a_table() -> None:
    assert set(WRITERS) == set(get_args(Layout))
    assert all((TABLES / name).is_file() for name in TABLE.values())


@pytest.mark.parametrize("layout", sorted(set(get_args(Layout)) - {"sipakmed"}))
def test_the_adapter_of_the_same_name_reads_what_is_drawn(layout: str, tmp_path: Path) -> None:
    fetch(source(layout), tmp_path, dataset="cells", cache=tmp_path / "unused")
    samples = ADAPTERS[layout].read(tmp_path, {}, "datasets.cells.options")
    assert {sample.label for sample in samples} >= set(ADAPTERS[layout].classes)


def test_the_default_layout_is_sipakmeds(tmp_path: Path) -> None:
    small = {"fields_per_class": 1, "scale": 0.1}
    fetch(source(None, **small), tmp_path / "drawn", dataset="cells", cache=tmp_path / "unused")
    write_sipakmed(tmp_path / "own", TABLES / "cervix.yaml", seed=1, cells_per_field=2, **small)
    assert contents(tmp_path / "drawn") == contents(tmp_path / "own") != {}


def test_another_layouts_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match=r"cervix\.yaml"):
        fetch(source("herlev", path=TABLES / "cervix.yaml"), tmp_path, dataset="cells", cache=tmp_path / "unused")
