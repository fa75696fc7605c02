"""One reader for the tables of any program: text in any dialect and encoding, and workbooks of Excel."""

from __future__ import annotations

from pathlib import Path

import pytest

from cytopipe.adapters.tables import read_table
from cytopipe.errors import CytopipeError


def rows(path: Path, content: str | bytes, columns: tuple[str, ...] = ("image", "label")) -> list[dict[str, str]]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return [row for _, row in read_table(path, columns)]


EXPECTED = [{"image": "1", "label": "a"}, {"image": "2", "label": "b c"}]


@pytest.mark.parametrize(
    "content",
    [
        "image,label\n1,a\n2,b c\n",
        "image,label\r\n1,a\r\n2,b c\r\n",
        "image,label\r1,a\r2,b c",
        "\ufeffimage,label\n1,a\n2,b c",
        "image;label\n1;a\n2;b c\n",
        " image , label \n1 , a\n 2,b c \n",
        'image,label\n"1","a"\n\n2,"b c"\n\n',
    ],
    ids=["unix", "dos", "mac", "bom", "semicolons", "spaces", "quotes and blank lines"],
)
def test_csv_of_any_program_is_read(content: str, tmp_path: Path) -> None:
    assert rows(tmp_path / "t.csv", content) == EXPECTED


def test_quoted_values_may_hold_separators_and_line_ends(tmp_path: Path) -> None:
    found = rows(tmp_path / "t.csv", 'image,label\n"1,5","a\nb\u2028c"\n')
    assert found == [{"image": "1,5", "label": "a\nb\u2028c"}]


def test_rows_come_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,label\n\n1,a\n2,b\n")
    assert [line for line, _ in read_table(tmp_path / "t.csv", ("image",))] == [3, 4]


def test_further_columns_are_handed_on(tmp_path: Path) -> None:
    assert rows(tmp_path / "t.csv", "note,image,label\nx,1,a\n")[0]["note"] == "x"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("image,lable\n1,a\n", r"t\.csv: no column 'label'; it has 'image', 'lable'\n  -> rename the column"),
        ("", r"t\.csv: no column 'image', 'label'; it has none"),
        ("image,label,label\n1,a,b\n", r"the column 'label' stands twice"),
        ("image,label\n1,a\n2\n", r"t\.csv:3: this row has another number of values than the header"),
        ("image,label\n1,a,b\n", r"t\.csv:2: this row has another number"),
        ('image,label\n1,"a\n2,b\n', r"t\.csv:2: not a CSV: .*\n  -> check the quotes"),
    ],
    ids=["misspelt", "empty", "twice", "short", "long", "quote"],
)
def test_faulty_csv_is_refused_with_its_place(content: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match=message):
        rows(tmp_path / "t.csv", content)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(CytopipeError, match=f"{path.name}: no such (CSV|table)"):
            list(read_table(path, ()))
