"""Rows of predictions, and tables that are incomplete, resumed, or of another model."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from cytopipe.errors import CytopipeError
from cytopipe.models.inference.prediction_table import (
    Row,
    Table,
    columns_of,
    failed_row,
    predicted_row,
    to_csv,
    to_json,
)
from cytopipe.models.inference.predictor import Prediction

CLASSES = ("bad", "good")
COLUMNS = columns_of(CLASSES, has_abnormal=True)
MODEL = "0123456789ab"
NAMES = ("a.png", 'b,\n"c".png', "ü d.png", "caf\udce9.png")


def row(image: str, model: str = MODEL) -> Row:
    found = Prediction("bad", np.array([2 / 3, 1e-9]), 0.5, True, 0.25, np.zeros(0), None)
    return predicted_row(COLUMNS, image, "f" * 64, model, CLASSES, found)


def opened(path: Path, images: tuple[str, ...] = NAMES, model: str = MODEL, force: bool = False) -> Table:
    return Table(path, COLUMNS, model, images, force)


def test_a_row_shows_six_digits_and_every_column() -> None:
    assert row("a.png") == {
        "image": "a.png",
        "predicted": "bad",
        "p_bad": "0.666667",
        "p_good": "1e-09",
        "confidence": "0.5",
        "uncertain": "true",
        "abnormal": "0.25",
        "sha256": "f" * 64,
        "model": MODEL,
        "error": "",
    }
    assert "abnormal" not in columns_of(CLASSES, has_abnormal=False)


def test_an_error_is_one_line_and_the_other_columns_are_empty() -> None:
    failed = failed_row(COLUMNS, "a.png", "", MODEL, "cannot\n be  read")
    assert failed["error"] == "cannot be read"
    assert {name for name, value in failed.items() if value} == {"image", "model", "error"}


def test_csv_and_json_hold_the_same() -> None:
    rows = [*map(row, NAMES), failed_row(COLUMNS, "x.png", "", MODEL, "empty")]
    assert list(csv.DictReader(io.StringIO(to_csv(rows, COLUMNS, header=True), newline=""))) == rows
    lines = [to_json(one) for one in rows]
    assert all("\n" not in line and line.isascii() for line in lines)
    first, *_, last = map(json.loads, lines)
    assert (first["p_bad"], first["uncertain"], first["abnormal"], first["error"]) == (0.666667, True, 0.25, None)
    assert (last["predicted"], last["p_bad"], last["error"]) == (None, None, "empty")
    assert [json.loads(line)["image"] for line in lines[:4]] == list(NAMES)


def test_a_complete_table_appears_in_the_order_of_the_images(tmp_path: Path) -> None:
    out = tmp_path / "new/preds.csv"
    with opened(out) as table:
        table.append([row(NAMES[2]), row(NAMES[0])])
        assert out.with_name("preds.csv.part").is_file() and not out.exists()
        table.append([row(NAMES[1]), row(NAMES[3])])
        table.finish(NAMES)
    assert out.read_bytes().decode("utf-8", "surrogateescape") == to_csv(map(row, NAMES), COLUMNS, header=True)
    assert [path.name for path in out.parent.iterdir()] == ["preds.csv"]


def test_complete_rows_survive_a_kill_at_any_byte(tmp_path: Path) -> None:
    part = tmp_path / "p.csv.part"
    lines = [to_csv([row(name)], COLUMNS) for name in NAMES]
    head = to_csv([], COLUMNS, header=True)
    whole = (head + "".join(lines)).encode("utf-8", "surrogateescape")
    ends = np.cumsum([len(text.encode("utf-8", "surrogateescape")) for text in (head, *lines)])
    for cut in range(len(whole) + 1):
        part.write_bytes(whole[:cut])
        with opened(tmp_path / "p.csv") as table:
            kept = len(table.rows)
            assert kept == max(0, int((ends <= cut).sum()) - 1), cut
            table.append([row(name) for name in NAMES[kept:]])
        assert part.read_bytes() == whole, cut


def test_rows_with_an_error_are_not_reused(tmp_path: Path) -> None:
    bad = failed_row(COLUMNS, NAMES[1], "", MODEL, "empty")
    (tmp_path / "p.csv").write_text(to_csv([row(NAMES[0]), bad], COLUMNS, header=True))
    with opened(tmp_path / "p.csv") as table:
        assert list(table.rows) == [NAMES[0]]


@pytest.mark.parametrize("name", ["p.csv", "p.csv.part"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (to_csv([row("a.png", "other0000000")], COLUMNS, header=True), r"another model \(other0000000\)"),
        (to_csv([row("z.png")], COLUMNS, header=True), "holds 'z.png', which is not named now"),
        ("name,age\nx,3\n", "not a table of predictions by this model"),
        ("\0\0", "not a table of predictions by this model"),
    ],
)
def test_a_foreign_file_is_rejected_and_kept(tmp_path: Path, name: str, text: str, message: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(CytopipeError, match=rf"{name}.*{message}[\s\S]*--force"), opened(tmp_path / "p.csv"):
        pass
    assert file.read_text() == text
    with opened(tmp_path / "p.csv", force=True) as table:
        assert table.rows == {}
        table.append([row("a.png")])
        table.finish(["a.png"])
    assert (tmp_path / "p.csv").read_text() == to_csv([row("a.png")], COLUMNS, header=True)


def test_a_second_writer_and_a_folder_are_rejected(tmp_path: Path) -> None:
    with (
        opened(tmp_path / "p.csv") as table,
        pytest.raises(CytopipeError, match="another process is writing"),
        opened(tmp_path / "p.csv"),
    ):
        table.append([])
    with pytest.raises(CytopipeError, match="this is a folder"), opened(tmp_path):
        pass
