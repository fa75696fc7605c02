from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from workflow import stored
from workflow.dag import Dag

Make = Callable[[Path | dict[str, Any]], Path]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store").mkdir()
    (tmp_path / "store/in").write_text("cells")
    return tmp_path


def call(command: str) -> int:
    return stored.main(["--read", "data/in=store/in", "--write", "data/out=store/new/out", "--", command])


def test_a_stage_reads_and_writes_copies_of_the_store(folder: Path) -> None:
    assert call("mkdir data/out && cp data/in data/out/it") == 0
    assert (folder / "store/new/out/it").read_text() == "cells"
    assert not (folder / "data/out").exists()
    # An earlier attempt is replaced, whole.
    assert call("mkdir data/out && cp data/in data/out/again") == 0
    assert [path.name for path in (folder / "store/new/out").iterdir()] == ["again"]


def test_a_stage_that_fails_writes_nothing(folder: Path) -> None:
    assert call("touch data/out; exit 3") == 3
    assert not (folder / "store/new").exists()


def test_outputs_of_the_project_itself_are_not_touched(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "data/out").mkdir(parents=True)
    assert call("true") == 1
    assert "data/out is in this folder" in capsys.readouterr().err
    assert (folder / "data/out").is_dir()


def test_what_no_rule_writes_is_no_input_but_a_change_of_it_is_seen(
    project: Make, tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project(tiny)
    monkeypatch.chdir(root)
    dag = Dag(str(root), git=False)
    made = stored.produced(dag)
    rule = next(rule for rule in dag.rules if rule.name == "organize@tiny")
    assert stored.inputs(rule, made) == ["data/raw/tiny"]
    before = stored.sources(rule, made)
    assert before == stored.sources(rule, made)
    (root / "stages").unlink()
    (root / "stages").mkdir()
    (root / "stages/organize.py").write_text("another")
    assert stored.sources(rule, made) != before
    text = stored.arguments(rule, made, [".s/data/raw/tiny"], [".s/it's here"])
    assert text.startswith("--read data/raw/tiny=.s/data/raw/tiny --write ")
    assert text.endswith("""'data/organized/tiny=.s/it'"'"'s here'""")
