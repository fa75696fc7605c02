from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from cytopipe.core.io.atomic import AtomicOutputs, round_floats, write_bytes, write_json, write_text
from cytopipe.errors import CytopipeError


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def test_bytes_and_text_are_written_as_they_are(tmp_path: Path) -> None:
    write_bytes(tmp_path / "new" / "a", b"\0\r\n")
    write_text(tmp_path / "new" / "b", "ä\r\n")
    assert (tmp_path / "new/a").read_bytes() == b"\0\r\n"
    assert (tmp_path / "new/b").read_bytes() == b"\xc3\xa4\r\n"
    assert names(tmp_path / "new") == ["a", "b"]


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("old")
    (tmp_path / "out").symlink_to(tmp_path / "cache")
    write_text(tmp_path / "out", "new")
    assert (tmp_path / "cache").read_text() == "old"
    assert not (tmp_path / "out").is_symlink()


def test_written_files_have_the_mode_of_ordinary_files(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_text(tmp_path / "atomic", "")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_json_keeps_key_order_and_rounds_to_six_digits(tmp_path: Path) -> None:
    value = {"b": 1 / 3, "a": [np.float32(0.1), np.int64(7), True, None], "é": 1234567.8, "n": 1234567}
    write_json(tmp_path / "a.json", value)
    expected = (
        '{\n  "b": 0.333333,\n  "a": [\n    0.1,\n    7,\n    true,\n    null\n  ],\n'
        '  "é": 1234570.0,\n  "n": 1234567\n}\n'
    )
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == expected


@pytest.mark.parametrize("bad", [math.nan, math.inf, np.float32("nan")])
def test_json_refuses_nan_and_infinity_and_names_the_key(tmp_path: Path, bad: float) -> None:
    (tmp_path / "a.json").write_text("old")
    with pytest.raises(CytopipeError, match=r"a\.json: test\.auroc\[1\] is (nan|inf)"):
        write_json(tmp_path / "a.json", {"test": {"auroc": [0.5, bad]}})
    assert (tmp_path / "a.json").read_text() == "old"


def test_rounding_keeps_significant_digits_of_small_numbers_and_drops_the_sign_of_zero() -> None:
    assert round_floats((1.23456789e-9, -0.0)) == [1.23457e-9, 0.0]
    assert str(round_floats(-0.0)) == "0.0"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "old")
    with pytest.raises(TypeError):
        write_bytes(tmp_path / "a", "not bytes")  # type: ignore[arg-type]  # the fault under test
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_outputs_appear_together_and_replace_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "stale").touch()
    (tmp_path / "table").write_text("old")
    with AtomicOutputs() as outputs:
        folder, table = outputs.path(tmp_path / "folder"), outputs.path(tmp_path / "table")
        assert (folder.name, table.name) == (".folder.partial", ".table.partial")
        folder.mkdir()
        (folder / "new").touch()
        table.write_text("new")
        assert (tmp_path / "table").read_text() == "old"
        assert names(tmp_path / "folder") == ["stale"]
    assert names(tmp_path) == ["folder", "table"]
    assert names(tmp_path / "folder") == ["new"]
    assert (tmp_path / "table").read_text() == "new"


def test_missing_parent_folders_are_made(tmp_path: Path) -> None:
    with AtomicOutputs() as outputs:
        outputs.path(tmp_path / "a" / "b" / "c").touch()
    assert (tmp_path / "a/b/c").exists()


def test_an_exception_leaves_the_old_outputs_and_no_partial_one(tmp_path: Path) -> None:
    (tmp_path / "table").write_text("old")
    with pytest.raises(RuntimeError), AtomicOutputs() as outputs:
        outputs.path(tmp_path / "folder").mkdir()
        outputs.path(tmp_path / "table").write_text("new")
        raise RuntimeError
    assert names(tmp_path) == ["table"]
    assert (tmp_path / "table").read_text() == "old"


def test_an_announced_output_that_was_not_made_is_an_error_and_nothing_appears(tmp_path: Path) -> None:
    missing = r"manifest\.csv: this output was announced and never written"
    with pytest.raises(CytopipeError, match=missing), AtomicOutputs() as outputs:
        outputs.path(tmp_path / "folder").mkdir()
        outputs.path(tmp_path / "manifest.csv")
    assert names(tmp_path) == []


def test_a_rename_that_fails_brings_all_old_outputs_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").touch()
    (tmp_path / "manifest").write_text("old")
    rename = Path.rename

    def fail_for_the_manifest(self: Path, target: Path) -> Path:
        if self.name == ".manifest.partial":
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_for_the_manifest)
    with pytest.raises(OSError, match="Input/output"), AtomicOutputs() as outputs:
        outputs.path(tmp_path / "folder").mkdir()
        outputs.path(tmp_path / "brand_new").mkdir()
        outputs.path(tmp_path / "manifest").write_text("new")
    assert names(tmp_path) == ["folder", "manifest"]
    assert names(tmp_path / "folder") == ["old"]
    assert (tmp_path / "manifest").read_text() == "old"


def test_the_old_manifest_goes_first_and_the_new_one_comes_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "manifest").touch()
    renamed: list[str] = []
    rename = Path.rename

    def note(self: Path, target: Path) -> Path:
        renamed.append(self.name)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", note)
    with AtomicOutputs() as outputs:
        outputs.path(tmp_path / "folder").mkdir()
        outputs.path(tmp_path / "manifest").touch()
    assert renamed == ["manifest", "folder", ".folder.partial", ".manifest.partial"]


def test_outputs_must_not_overlap(tmp_path: Path) -> None:
    outputs = AtomicOutputs()
    outputs.path(tmp_path / "a")
    for other in (tmp_path / "a", tmp_path / "a" / "b", tmp_path):
        with pytest.raises(ValueError, match="overlap"):
            outputs.path(other)
