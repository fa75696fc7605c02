from __future__ import annotations

from pathlib import Path

import pytest

from cytopipe.core.io.tables import markdown, write_table


def test_floats_have_six_significant_digits(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", [{"a": 1 / 3, "b": 2}, {"a": 1234567.0, "b": "x, y"}])
    assert (tmp_path / "t.csv").read_bytes() == b'a,b\n0.333333,2\n1.23457e+06,"x, y"\n'


def test_columns_give_the_order_and_the_header_of_an_empty_table(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", [{"a": 1, "b": 2}], columns=("b", "a"))
    assert (tmp_path / "t.csv").read_text() == "b,a\n2,1\n"
    write_table(tmp_path / "t.csv", [], columns=("b", "a"))
    assert (tmp_path / "t.csv").read_text() == "b,a\n"


def test_an_unknown_key_is_no_silent_loss(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="c"):
        write_table(tmp_path / "t.csv", [{"a": 1}, {"a": 1, "c": 2}])


def test_markdown_is_aligned() -> None:
    table = markdown(("name", "F1"), [("a|b", "0.9"), ("long name", "0.95")])
    assert table == (
        "| name      |   F1 |\n"
        "| --------- | ---: |\n"
        "| a\\|b      |  0.9 |\n"
        "| long name | 0.95 |\n"
    )  # fmt: skip


def test_markdown_rows_have_as_many_cells_as_the_header() -> None:
    with pytest.raises(ValueError, match="zip"):
        markdown(("name", "F1"), [("a", "0.9", "more")])
