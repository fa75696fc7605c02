"""What a stage wrote is known by its hashes: a changed or missing file is named, unless DVC vouches for it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from cytopipe.core.io.hashing import sha256_bytes
from cytopipe.core.pipeline.written import check_unchanged, forget_written, note_written
from cytopipe.errors import CytopipeError
from cytopipe.paths import WRITTEN

OUT = Path("data/organized/a")
INPUTS = {OUT.as_posix(): [OUT.as_posix()]}
IMAGE = OUT / "train/x/1.png"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an image, its manifest and a table, as `organize` wrote them."""
    monkeypatch.chdir(tmp_path)
    IMAGE.parent.mkdir(parents=True)
    IMAGE.write_bytes(b"image")
    (OUT / "manifest.csv").write_text(f"path,sha256,mask_path,mask_sha256\ntrain/x/1.png,{sha256_bytes(b'image')},,\n")
    (OUT / "summary.json").write_text("{}")
    (OUT / ".snakemake_timestamp").touch()
    note_written("organize@a", [OUT.as_posix()])
    return tmp_path


def test_what_is_unchanged_passes_and_only_outputs_are_listed() -> None:
    check_unchanged(INPUTS)
    lines = (WRITTEN / "organize@a.sha256").read_text().splitlines()
    assert [line.split("  ")[1] for line in lines] == [f"{OUT}/{name}" for name in ("manifest.csv", "summary.json")] + [
        IMAGE.as_posix()
    ]


@pytest.mark.parametrize("name", ["train/x/1.png", "manifest.csv", "summary.json"])
def test_a_flipped_bit_is_named(name: str) -> None:
    data = bytearray((OUT / name).read_bytes())
    data[0] ^= 1
    (OUT / name).write_bytes(data)
    with pytest.raises(CytopipeError, match=f"{name}: this file has other bytes than organize@a wrote.*\n.*--forcerun"):
        check_unchanged(INPUTS)
    check_unchanged({"data/organized/a/other": ["data/organized/a/other"]})  # of a stage that does not read it
    check_unchanged(INPUTS, closed=[Path(name).name])
    forget_written("organize@a")
    check_unchanged(INPUTS)


def test_a_deleted_file_is_named() -> None:
    IMAGE.unlink()
    with pytest.raises(CytopipeError, match=r"1\.png: this file is gone, which organize@a wrote"):
        check_unchanged(INPUTS)


def test_one_file_of_a_folder_is_enough_to_be_read() -> None:
    IMAGE.unlink()
    check_unchanged({"a": [f"{OUT}/summary.json"]})


def test_an_image_that_is_not_what_its_manifest_says_is_named_even_by_the_first_reader() -> None:
    IMAGE.write_bytes(b"another")
    note_written("organize@a", [OUT.as_posix()])  # takes the manifest's word
    with pytest.raises(CytopipeError, match=r"1\.png"):
        check_unchanged(INPUTS)


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def record_by_dvc(files: dict[str, str], cache: Path = Path(".dvc/cache")) -> None:
    """Write dvc.lock, and the list of the folder in DVC's cache: MD5 by name."""
    lock = {"stages": {"organize@a": {"outs": [{"path": OUT.as_posix(), "md5": "abcdef.dir"}]}}}
    Path("dvc.lock").write_text(json.dumps(lock))
    listing = cache / "files/md5/ab/cdef.dir"
    listing.parent.mkdir(parents=True, exist_ok=True)
    listing.write_text(json.dumps([{"md5": digest, "relpath": name} for name, digest in files.items()]))


@pytest.mark.parametrize("in_folder", [True, False])
def test_bytes_that_dvc_vouches_for_are_taken(in_folder: bool) -> None:
    (OUT / "summary.json").write_text('{"new": 1}')
    digest = md5(OUT / "summary.json")
    if in_folder:
        record_by_dvc({"summary.json": digest})
    else:
        lock = {"stages": {"organize@a": {"outs": [{"path": f"{OUT}/summary.json", "md5": digest}]}}}
        Path("dvc.lock").write_text(json.dumps(lock))
    check_unchanged(INPUTS)
    (OUT / "summary.json").write_text("damaged")
    with pytest.raises(CytopipeError, match=r"summary\.json"):
        check_unchanged(INPUTS)


def test_files_that_dvc_replaced_by_others_are_taken_and_those_that_it_has_may_not_be_missing() -> None:
    """As after `dvc checkout` of another split, whose images have other names."""
    IMAGE.rename(OUT / "2.png")
    record_by_dvc({path.name: md5(path) for path in OUT.iterdir() if path.is_file()})
    check_unchanged(INPUTS)
    (OUT / "2.png").unlink()
    with pytest.raises(CytopipeError, match=r"1\.png: this file is gone"):
        check_unchanged(INPUTS)


@pytest.mark.parametrize("name", ["config", "config.local"])
def test_a_cache_that_projects_share_is_found(tmp_path: Path, name: str) -> None:
    (OUT / "summary.json").write_text("[]")
    Path(".dvc").mkdir()
    Path(".dvc", name).write_text("[cache]\n    dir = ../shared\n")
    record_by_dvc({"summary.json": md5(OUT / "summary.json")}, tmp_path / "shared")
    check_unchanged(INPUTS)


def test_a_damaged_lock_of_dvc_vouches_for_nothing() -> None:
    IMAGE.unlink()
    for text in (
        "stages:",
        "stages: {organize@a: }",
        "stages: {organize@a: {outs: [{path: data/organized/a}]}}",
        "a: [",
    ):
        Path("dvc.lock").write_text(text)
        with pytest.raises(CytopipeError, match=r"1\.png: this file is gone"):
            check_unchanged(INPUTS)


def test_hashes_that_vanish_or_were_damaged_meanwhile_hold_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another stage that ends now, beside this one, replaces its own."""
    (WRITTEN / "audit@a.sha256").write_bytes(b"\xff\xfe no hash\n\n")
    check_unchanged(INPUTS)
    monkeypatch.setattr(Path, "glob", lambda self, pattern: [WRITTEN / "audit@b.sha256", WRITTEN / "organize@a.sha256"])
    check_unchanged(INPUTS)
    IMAGE.unlink()
    with pytest.raises(CytopipeError, match=r"1\.png: this file is gone"):
        check_unchanged(INPUTS)
