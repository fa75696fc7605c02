from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cytopipe.adapters.base import Phantoms
from cytopipe.adapters.registry import ADAPTERS
from cytopipe.core.params import PhantomSource
from cytopipe.errors import CytopipeError
from cytopipe.sources.fetch import fetch
from cytopipe_phantoms.registry import layouts
from cytopipe_phantoms.writer import Request
from cytopipe_phantoms.writers.sipakmed import WRITER
from files import contents

TABLES = Path(__file__).parents[3] / "workflow" / "phantoms"
PHANTOMS: dict[str, Phantoms] = {name: found.phantoms for name, found in ADAPTERS.items() if found.phantoms}


def source(layout: str | None, **changes: object) -> PhantomSource:
    chosen = {} if layout is None else {"layout": layout}
    path = TABLES / f"{PHANTOMS[layout or 'sipakmed'].table}.yaml"
    small = {"path": path, "fields_per_class": 5, "cells_per_field": 2, "scale": 0.25, "seed": 1}
    return PhantomSource(kind="phantom", **{**small, **chosen, **changes})


def test_every_layout_is_an_adapters_and_has_a_table() -> None:
    assert sorted(phantoms.layout for phantoms in PHANTOMS.values()) == layouts()
    assert all((TABLES / f"{phantoms.table}.yaml").is_file() for phantoms in PHANTOMS.values())


@pytest.mark.parametrize("name", sorted(set(PHANTOMS) - {"sipakmed"}))
def test_the_adapter_reads_what_is_drawn_for_it(name: str, tmp_path: Path) -> None:
    fetch(source(PHANTOMS[name].layout), tmp_path, dataset="cells", cache=tmp_path / "unused")
    samples = ADAPTERS[name].read(tmp_path, {}, "datasets.cells.options")
    assert {sample.label for sample in samples} >= set(ADAPTERS[name].classes)


def test_adapters_do_not_import_the_generator() -> None:
    program = "import sys, cytopipe.adapters.registry; print([n for n in sys.modules if 'phantoms' in n])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_layout_without_phantoms_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    wanted = source(None).model_copy(update={"layout": "sipakmod"})
    with pytest.raises(CytopipeError, match="layout 'sipakmod'; did you mean: sipakmed") as error:
        fetch(wanted, tmp_path, dataset="cells", cache=tmp_path / "unused")
    assert error.value.where == "datasets.cells.source.layout"


def test_the_default_layout_is_sipakmeds(tmp_path: Path) -> None:
    small = source(None, fields_per_class=1, scale=0.1)
    fetch(small, tmp_path / "drawn", dataset="cells", cache=tmp_path / "unused")
    request = Request(seed=1, fields_per_class=1, cells_per_field=2, scale=0.1)
    WRITER.write(tmp_path / "own", TABLES / "cervix.yaml", request)
    assert contents(tmp_path / "drawn") == contents(tmp_path / "own") != {}


def test_another_layouts_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match=r"cervix\.yaml"):
        fetch(source("herlev", path=TABLES / "cervix.yaml"), tmp_path, dataset="cells", cache=tmp_path / "unused")
