from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cytopipe.data.manifest import COLUMNS, Row, iter_manifest, read_manifest, write_manifest
from cytopipe.errors import CytopipeError

ROW = Row("a", "train/x/a.png", "x", 0, "train", "P1", 12, 10, "0" * 64, "masks/a.png", "1" * 64, "a b/1.bmp", 0.25)


def rows() -> list[Row]:
    odd = replace(ROW, id="b", label='a "b", c', group="P,2", split="val", mask_path="", mask_sha256="")
    return [ROW, odd, replace(ROW, id="c", split="test", label="é", class_index=7)]


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest.csv", iter(rows()))
    assert list(iter_manifest(tmp_path / "manifest.csv")) == rows()
    assert read_manifest(tmp_path / "manifest.csv") == rows()


def test_the_file_is_plain_csv_with_unix_line_ends(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest.csv", [ROW])
    expected = (
        f"{','.join(COLUMNS)}\na,train/x/a.png,x,0,train,P1,12,10,{'0' * 64},masks/a.png,{'1' * 64},a b/1.bmp,0.25\n"
    )
    assert (tmp_path / "manifest.csv").read_bytes() == expected.encode()


@pytest.mark.parametrize("second", ["a", "A"])
def test_ids_are_unique_and_sorted(second: str, tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match=f"the id '{second}' follows 'a': ids must be unique and sorted"):
        write_manifest(tmp_path / "manifest.csv", [ROW, replace(ROW, id=second)])


def test_a_missing_manifest_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match=r"no such manifest\n  -> run the stage that writes it"):
        read_manifest(tmp_path / "manifest.csv")


def test_missing_columns_are_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("id,path,label\na,b,c\n")
    with pytest.raises(CytopipeError, match="columns are missing: class_index, split, group, width"):
        read_manifest(tmp_path / "manifest.csv")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",12,10,", ",12,ten,", "not a manifest row: .*'ten'"),
        (",train,", ",validation,", "split is 'validation', not one of train, val, test"),
        (f",masks/a.png,{'1' * 64}", "", "this row has another number of values"),
        ("P1", "P1,P1", "this row has another number of values"),
    ],
)
def test_faulty_rows_are_named_by_line(old: str, new: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    write_manifest(path, [ROW])
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(CytopipeError, match=rf"manifest\.csv:2: {message}"):
        read_manifest(path)
