"""`cytopipe inspect`, and the preset that it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cytopipe.core.params import load_params
from fixture_types import Cytopipe, Git, SaveImage


@pytest.fixture
def cells(tmp_path: Path, save_image: SaveImage) -> Path:
    """Two classes with three patients each."""
    for seed in range(12):
        save_image(tmp_path / "my cells" / ("normal", "abnormal")[seed % 2] / f"P{seed // 4}" / f"{seed}.png", seed)
    return tmp_path / "my cells"


def test_what_is_there_and_what_fits(cytopipe: Cytopipe, cells: Path) -> None:
    result = cytopipe("inspect", cells)
    assert result.exit_code == 0
    assert "12 files, 12 images" in result.stdout
    assert "folders: class/group" in result.stdout and "split.kind: grouped" in result.stdout
    assert not (cells.parent / "params.yaml").exists()


def test_json(cytopipe: Cytopipe, cells: Path) -> None:
    seen = json.loads(cytopipe("inspect", cells, "--json").stdout)
    assert seen["fit"]["options"] == {"folders": "class/group"}
    assert seen["fit"]["classes"] == {"abnormal": 6, "normal": 6} and seen["fit"]["groups"] == 3
    assert seen["pictures"]["count"] == 12 and seen["fit"]["unclear"] == []


@pytest.mark.parametrize("line", [["inspect", "--write"], ["preset", "own-images", "--archive"]])
def test_params_that_fit_are_written(line: list[str], project: Path, cells: Path, cytopipe: Cytopipe) -> None:
    command, *rest = line
    assert cytopipe(command, *rest, cells).exit_code == 0
    mine = load_params(project / "params.yaml").datasets["mine"]
    assert mine.options == {"folders": "class/group"} and mine.split.kind == "grouped"
    assert mine.source.path == Path("../my cells").resolve()
    text = (project / "params.yaml").read_text()
    assert "# what the folders mean, from the top: class ('abnormal', 'normal'), group" in text
    assert "# Further options:" in text


def test_edits_are_not_overwritten(project: Path, cells: Path, git: Git, cytopipe: Cytopipe) -> None:
    (project / "params.yaml").write_text("mine: 1\n")
    result = cytopipe("inspect", cells, "--write")
    assert result.exit_code == 1 and "holds edits that are neither committed nor saved" in result.stderr
    assert (project / "params.yaml").read_text() == "mine: 1\n"
    assert cytopipe("inspect", cells, "--write", "--force").exit_code == 0
    assert "params.yaml has this content already" in cytopipe("inspect", cells, "--write").stdout


def test_what_has_to_be_decided_stands_in_params(
    project: Path, tmp_path: Path, save_image: SaveImage, cytopipe: Cytopipe
) -> None:
    for seed in range(4):
        save_image(tmp_path / "people" / f"P{seed}" / "a.png", seed)
    said = cytopipe("preset", "own-images", "--archive", tmp_path / "people").stdout
    assert "first decide what stands as 'TO DECIDE' in it: cytopipe inspect " in said
    (project / "params.yaml").unlink()
    result = cytopipe("inspect", tmp_path / "people", "--write")
    assert "next: decide what stands as 'TO DECIDE' in it" in result.stdout
    assert result.exit_code == 0 and "to decide\n  the 4 folders 'P0', 'P1', 'P2', 'P3' look like" in result.stdout
    assert "# TO DECIDE: the 4 folders" in (project / "params.yaml").read_text()
    load_params(project / "params.yaml")


def test_nothing_at_the_path(cytopipe: Cytopipe, tmp_path: Path) -> None:
    result = cytopipe("inspect", tmp_path / "none")
    assert result.exit_code == 1 and "no such file or folder" in result.stderr
