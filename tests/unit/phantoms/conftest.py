from __future__ import annotations

from pathlib import Path

import pytest

from cytopipe_phantoms.spec import Phantom, read_table
from cytopipe_phantoms.writer import Request
from cytopipe_phantoms.writers.sipakmed import WRITER

CERVIX = Path(__file__).parents[3] / "workflow" / "phantoms" / "cervix.yaml"


@pytest.fixture(scope="session")
def cervix() -> Path:
    return CERVIX


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    return read_table(CERVIX, Phantom)


@pytest.fixture(scope="session")
def smears(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("smears")
    WRITER.write(folder, CERVIX, Request(seed=7, fields_per_class=2, cells_per_field=6, scale=0.25))
    return folder
