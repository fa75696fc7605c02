from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import pytest
import yaml

from cytopipe.core.params import load_params
from fixture_types import Cytopipe, Git

EDIT = "\n# my own words\n"


def edit(project: Path) -> str:
    """Change params.yaml as a user does."""
    file = project / "params.yaml"
    file.write_text(file.read_text() + EDIT)
    return file.read_text()


def test_a_preset_is_written_byte_for_byte(project: Path, cytopipe: Cytopipe) -> None:
    result = cytopipe("preset", "tiny")
    assert result.exit_code == 0, result.stderr
    assert (project / "params.yaml").read_bytes() == (project / "workflow/presets/tiny.yaml").read_bytes()


def test_a_preset_is_written_where_there_is_no_file_yet(project: Path, cytopipe: Cytopipe) -> None:
    (project / "params.yaml").unlink()
    assert cytopipe("preset", "tiny").exit_code == 0
    assert "tiny" in load_params(project / "params.yaml").datasets


def test_presets_follow_each_other_without_force(project: Path, cytopipe: Cytopipe) -> None:
    assert [cytopipe("preset", name).exit_code for name in ("tiny", "wbc", "demo", "demo")] == [0, 0, 0, 0]


def test_edits_outside_git_are_not_overwritten(project: Path, cytopipe: Cytopipe) -> None:
    mine = edit(project)
    result = cytopipe("preset", "tiny")
    assert result.exit_code == 1
    assert (project / "params.yaml").read_text() == mine
    assert all(words in result.stderr for words in ("commit", "cp params.yaml workflow/presets/mine.yaml", "--force"))
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("staged", [False, True])
def test_edits_that_are_not_committed_are_not_overwritten(
    project: Path, git: Git, cytopipe: Cytopipe, staged: bool
) -> None:
    git("add", ".")
    git("commit", "-m", "first")
    mine = edit(project)
    if staged:
        git("add", "params.yaml")
    assert cytopipe("preset", "tiny").exit_code == 1
    assert (project / "params.yaml").read_text() == mine


def test_edits_that_git_was_told_to_overlook_are_not_overwritten(project: Path, git: Git, cytopipe: Cytopipe) -> None:
    git("add", ".")
    git("commit", "-m", "first")
    git("update-index", "--skip-worktree", "params.yaml")
    mine = edit(project)
    assert cytopipe("preset", "tiny").exit_code == 1
    assert (project / "params.yaml").read_text() == mine


@pytest.mark.parametrize("added", [False, True])
def test_edits_before_the_first_commit_are_not_overwritten(
    project: Path, git: Git, cytopipe: Cytopipe, added: bool
) -> None:
    mine = edit(project)
    if added:
        git("add", ".")
    assert cytopipe("preset", "tiny").exit_code == 1
    assert (project / "params.yaml").read_text() == mine


def test_committed_edits_may_be_overwritten(project: Path, git: Git, cytopipe: Cytopipe) -> None:
    edit(project)
    git("add", ".")
    git("commit", "-m", "mine")
    assert cytopipe("preset", "tiny").exit_code == 0


def test_edits_kept_as_a_preset_may_be_overwritten_and_come_back(project: Path, cytopipe: Cytopipe) -> None:
    mine = edit(project)
    shutil.copy("params.yaml", "workflow/presets/mine.yaml")
    assert cytopipe("preset", "tiny").exit_code == 0
    assert cytopipe("preset", "mine").exit_code == 0
    assert (project / "params.yaml").read_text() == mine


def test_force_overwrites(project: Path, cytopipe: Cytopipe) -> None:
    edit(project)
    assert cytopipe("preset", "tiny", "--force").exit_code == 0
    assert EDIT not in (project / "params.yaml").read_text()


def test_an_unknown_preset_names_the_nearest_and_all(project: Path, cytopipe: Cytopipe) -> None:
    result = cytopipe("preset", "dmeo")
    assert result.exit_code == 1
    assert "did you mean demo?" in result.stderr
    assert "tiny" in result.stderr and "wbc" in result.stderr


def test_a_path_is_no_preset(project: Path, cytopipe: Cytopipe) -> None:
    result = cytopipe("preset", "../../params")
    assert result.exit_code == 1
    assert "there is no preset" in result.stderr


@pytest.mark.parametrize("arguments", [["preset"], ["preset", "--list"]])
def test_without_a_name_presets_are_listed(project: Path, cytopipe: Cytopipe, arguments: list[str]) -> None:
    before = (project / "params.yaml").read_bytes()
    result = cytopipe(*arguments)
    assert result.exit_code == 0
    assert "tiny" in result.stdout and "The whole DAG in about a minute" in result.stdout
    assert "yaml-language-server" not in result.stdout
    assert (project / "params.yaml").read_bytes() == before


def test_outside_a_project_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cytopipe: Cytopipe
) -> None:
    monkeypatch.chdir(tmp_path)
    result = cytopipe("preset", "demo")
    assert result.exit_code == 1
    assert "dvc.yaml" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_faulty_preset_leaves_the_parameters_alone(project: Path, cytopipe: Cytopipe) -> None:
    preset = project / "workflow/presets/broken.yaml"
    preset.write_text((project / "workflow/presets/tiny.yaml").read_text().replace("image_size: 32", "image_sise: 32"))
    before = (project / "params.yaml").read_bytes()
    result = cytopipe("preset", "broken")
    assert result.exit_code == 1
    assert "image_size" in result.stderr and "broken.yaml" in result.stderr
    assert (project / "params.yaml").read_bytes() == before
    assert sorted(path.name for path in project.iterdir()) == ["dvc.yaml", "params.yaml", "workflow"]


def test_an_archive_replaces_the_source_and_nothing_else(project: Path, cytopipe: Cytopipe) -> None:
    (project / "cells.zip").touch()
    assert cytopipe("preset", "wbc", "--archive", "cells.zip").exit_code == 0
    old = (project / "workflow/presets/wbc.yaml").read_text().splitlines()
    new = (project / "params.yaml").read_text().splitlines()
    changed = [(before, after) for before, after in zip(old, new, strict=True) if before != after]
    assert len(changed) == 1
    before, after = changed[0]
    assert after.startswith("    source: {kind: archive, path: cells.zip}")
    assert after.partition("#")[2] == before.partition("#")[2] != ""


@pytest.mark.parametrize(
    ("place", "written"),
    [
        ("project/in put/#1: ä.zip", "in put/#1: ä.zip"),
        ("project/../project/cells.zip", "cells.zip"),
    ],
)
def test_an_archive_in_the_project_is_relative_to_it(
    project: Path, cytopipe: Cytopipe, place: str, written: str
) -> None:
    archive = project.parent / place
    archive.parent.mkdir(exist_ok=True)
    archive.touch()
    assert cytopipe("preset", "wbc", "--archive", archive).exit_code == 0
    assert yaml.safe_load((project / "params.yaml").read_text())["datasets"]["wbc"]["source"]["path"] == written
    assert (project / written).exists()


def test_an_archive_elsewhere_is_absolute_so_that_experiments_in_other_folders_find_it(
    project: Path, cytopipe: Cytopipe
) -> None:
    archive = project.parent / "beside/cells.zip"
    archive.parent.mkdir()
    archive.touch()
    assert cytopipe("preset", "wbc", "--archive", "../beside/cells.zip").exit_code == 0
    assert load_params(project / "params.yaml").datasets["wbc"].source.path == archive


def test_a_missing_archive_leaves_the_parameters_alone(project: Path, cytopipe: Cytopipe) -> None:
    before = (project / "params.yaml").read_bytes()
    result = cytopipe("preset", "wbc", "--archive", "cells.zip")
    assert result.exit_code == 1
    assert "cells.zip" in result.stderr
    assert (project / "params.yaml").read_bytes() == before


def test_the_project_itself_is_no_source(project: Path, cytopipe: Cytopipe) -> None:
    result = cytopipe("preset", "wbc", "--archive", "..")
    assert result.exit_code == 1
    assert "contains the project" in result.stderr


def test_an_archive_cannot_stand_for_two_sources(project: Path, cytopipe: Cytopipe) -> None:
    preset = project / "workflow/presets/two.yaml"
    content = yaml.safe_load((project / "workflow/presets/tiny.yaml").read_text())
    content["datasets"]["second"] = {**content["datasets"]["tiny"], "source": {"kind": "archive", "path": "x.zip"}}
    preset.write_text(yaml.safe_dump(content))
    result = cytopipe("preset", "two", "--archive", "workflow")
    assert result.exit_code == 1
    assert "second, tiny" in result.stderr and "datasets.<name>.source" in result.stderr
    assert cytopipe("preset", "two").exit_code == 0


def test_debug_shows_the_traceback(project: Path, cytopipe: Cytopipe) -> None:
    assert type(cytopipe("preset", "no", "--debug").exception).__name__ == "CytopipeError"


def test_an_archive_stands_for_all_datasets_of_one_source(project: Path, cytopipe: Cytopipe) -> None:
    content = yaml.safe_load((project / "workflow/presets/tiny.yaml").read_text())
    content["datasets"]["second"] = copy.deepcopy(content["datasets"]["tiny"])  # else YAML writes an alias
    (project / "workflow/presets/two.yaml").write_text(yaml.safe_dump(content))
    assert cytopipe("preset", "two", "--archive", "workflow").exit_code == 0
    written = load_params(project / "params.yaml").datasets
    assert [dataset.source.kind for dataset in written.values()] == ["archive", "archive"]


def test_phantoms_take_the_place_of_the_images(project: Path, cytopipe: Cytopipe) -> None:
    assert cytopipe("preset", "wbc", "--phantoms").exit_code == 0
    source = load_params(project / "params.yaml").datasets["wbc"].source
    assert source.kind == "phantom" and source.layout == "wbc"
    assert source.path == Path("workflow/phantoms/wbc.yaml")


def test_phantoms_beside_an_archive_are_refused(project: Path, cytopipe: Cytopipe) -> None:
    result = cytopipe("preset", "wbc", "--phantoms", "--archive", "workflow")
    assert result.exit_code == 1 and "give only one of them" in result.stderr


def test_own_images_have_no_phantoms(project: Path, cytopipe: Cytopipe) -> None:
    result = cytopipe("preset", "own-images", "--phantoms")
    assert result.exit_code == 1 and "layout of 'folder'" in result.stderr


def test_the_list_for_programs_has_every_preset(project: Path, cytopipe: Cytopipe) -> None:
    rows = json.loads(cytopipe("preset", "--json").stdout)
    assert {row["name"] for row in rows} == {path.stem for path in (project / "workflow/presets").glob("*.yaml")}
    assert all(row["description"] for row in rows)
    result = cytopipe("preset", "demo", "--json")
    assert result.exit_code == 1 and "omit the name" in result.stderr
