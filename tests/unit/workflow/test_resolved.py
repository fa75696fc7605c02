"""Stages are resolved by DVC once, and again only when dvc.yaml or params.yaml changes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from workflow import resolved
from workflow.dag import Dag
from workflow.resolved import KEPT, resolve

ROOT = Path(__file__).resolve().parents[3]
Make = Callable[[Path | dict[str, Any]], Path]
READ = """
import sys
from workflow.dag import Dag

Dag(".").rules
print([name for name in ("dvc", "pydantic") if name in sys.modules])
"""


@pytest.fixture
def root(project: Make, tiny: dict[str, Any]) -> Path:
    return project(tiny)


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that were resolved by DVC."""
    asked: list[Path] = []
    original = resolved._resolve

    def counted(root: Path, git: bool) -> list[resolved.Stage]:
        asked.append(root)
        return original(root, git)

    monkeypatch.setattr(resolved, "_resolve", counted)
    return asked


def test_kept_stages_are_those_that_were_resolved(root: Path, count: list[Path]) -> None:
    first = resolve(root)
    assert resolve(root) == first
    assert count == [root]


def test_a_second_reader_needs_no_dvc(root: Path) -> None:
    path = f"{ROOT}:{ROOT / 'src'}"
    run = [sys.executable, "-c", READ]
    outputs = [
        subprocess.run(run, cwd=root, env={"PYTHONPATH": path}, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert outputs == ["['dvc', 'pydantic']\n", "[]\n"]


@pytest.mark.parametrize("name", ["params.yaml", "dvc.yaml"])
def test_an_edit_resolves_anew(name: str, root: Path, count: list[Path]) -> None:
    resolve(root)
    (root / name).write_text((root / name).read_text() + "# a comment\n")
    resolve(root)
    assert len(count) == 2


def test_a_changed_parameter_reaches_the_rule(root: Path, tiny: dict[str, Any]) -> None:
    Dag(str(root))
    tiny["datasets"]["tiny"]["image_size"] += 16
    (root / "params.yaml").write_text(yaml.safe_dump(tiny, sort_keys=False))
    rule = next(rule for rule in Dag(str(root)).rules if rule.name == "build_tensors@tiny")
    assert rule.params["params.yaml:datasets.tiny.image_size"] == tiny["datasets"]["tiny"]["image_size"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": "another"}'])
def test_a_damaged_file_is_replaced(text: str, root: Path, count: list[Path]) -> None:
    first = resolve(root)
    (root / KEPT).write_text(text)
    assert resolve(root) == first
    assert resolve(root) == first
    assert len(count) == 2


def test_a_project_that_cannot_be_written_to_is_resolved_each_time(
    root: Path, count: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / KEPT.parent).write_text("a file where the folder would be")
    assert resolve(root) == resolve(root)
    assert len(count) == 2
