from __future__ import annotations

import os
from pathlib import Path

import pytest

from cytopipe.core.io import hash_record
from cytopipe.core.io.hashing import sha256_file
from cytopipe.core.pipeline.inputs import hash_inputs
from cytopipe.errors import CytopipeError

DATA = "data/cells"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with an output that has a manifest, an output without one, and a user's folder."""
    monkeypatch.chdir(tmp_path)
    for name in (f"{DATA}/manifest.csv", f"{DATA}/train.npy", f"{DATA}/images/1.png", "model/a/w", "mine/manifest.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "mine/1.png").write_text("pixels")
    return tmp_path


def hashes(*paths: str) -> dict[str, str]:
    return hash_inputs({path: [path] for path in paths}, {DATA, "model"}, "fit@small")


def test_an_output_with_a_manifest_is_known_by_the_files_beside_it() -> None:
    before = hashes(DATA)
    assert before == {f"{DATA}/{name}": sha256_file(Path(DATA, name)) for name in ("manifest.csv", "train.npy")}
    Path(DATA, "images/1.png").write_text("other pixels, whose hash a manifest would hold")
    Path(DATA, ".snakemake_timestamp").touch()
    assert hashes(DATA) == before


@pytest.mark.parametrize(("folder", "file"), [("model", "model/a/w"), ("mine", "mine/1.png")])
def test_every_file_of_another_folder_counts(folder: str, file: str) -> None:
    before = hashes(folder)
    assert list(before) == [folder]
    Path(file).write_text("changed")
    assert hashes(folder) != before


def test_a_parent_folder_has_one_hash_of_all_its_parts() -> None:
    def hashed() -> dict[str, str]:
        return hash_inputs({"data": [DATA], "all": ["model", DATA]}, {DATA, "model"}, "report")

    before = hashed()
    assert list(before) == ["data", "all"] and all(len(digest) == 64 for digest in before.values())
    Path("model/a/w").write_text("changed")
    after = hashed()
    assert after["data"] == before["data"] and after["all"] != before["all"]


@pytest.mark.parametrize("inputs", [{"data/none": ["data/none"]}, {"data": [DATA, "data/none"]}])
def test_a_missing_part_is_named_with_the_command_that_makes_it(inputs: dict[str, list[str]]) -> None:
    with pytest.raises(CytopipeError, match="missing") as error:
        hash_inputs(inputs, {DATA}, "fit@small")
    assert error.value.where == Path("data/none")
    assert error.value.hint == "run the stages before it: dvc repro fit@small"


def test_a_file_that_did_not_change_is_not_read_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in project.rglob("*"):
        os.utime(path, (1e9, 1e9))
    before = hashes(DATA, "model", "mine")
    reads: list[Path] = []

    def read(path: Path) -> str:
        reads.append(path)
        return sha256_file(path)

    monkeypatch.setattr(hash_record, "sha256_file", read)
    assert hashes(DATA, "model", "mine") == before and not reads
    Path(DATA, "train.npy").write_text("changed")
    assert hashes(DATA, "model", "mine") != before and reads == [Path(DATA, "train.npy")]


def test_a_folder_of_corrections_may_be_missing() -> None:
    folder = "workflow/corrections"
    assert hashes(folder) == {}
    Path(folder).mkdir(parents=True)
    Path(folder, "mine.csv").write_text("image,label,reason\n")
    assert list(hashes(folder)) == [folder]
