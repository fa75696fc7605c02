"""A clean dataset to plant faults in, and its audit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cytopipe.audit.audit import AuditedDataset, audit
from fixture_types import RunAudit, WriteDataset
from made_cells import Cell, make_cells, write_dataset


@pytest.fixture
def audited(tmp_path: Path) -> RunAudit:

    def run(cells: Sequence[Cell]) -> dict[str, dict[str, Any]]:
        dataset = write_dataset(cells, tmp_path / "data")
        pictures = tmp_path / "figures"
        pictures.mkdir()
        result = audit(dataset, "quick", pictures, lambda items, total: items)
        findings = {finding["check"]: finding for finding in result.plain["findings"]}
        assert {finding["figure"] for finding in findings.values()} - {None} == {
            path.name for path in pictures.iterdir()
        }
        return findings

    return run


@pytest.fixture
def written(tmp_path: Path) -> WriteDataset:

    def write(cells: Sequence[Cell]) -> AuditedDataset:
        return write_dataset(cells, tmp_path / "data")

    return write


@pytest.fixture(scope="session")
def clean() -> list[Cell]:
    """A dataset without a fault."""
    return make_cells()
