"""One reader for the tables of any program: text in any dialect and encoding, and workbooks of Excel."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytopipe.adapters.table_text import SEPARATORS, decode, records
from cytopipe.adapters.tables import columns_of, read_records, read_table
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


# Any text survives any dialect and encoding.

VALUES = st.text('ab,;\t|"\n\u00e4\u00df\u4e2d 01', min_size=1, max_size=6).filter(lambda value: bool(value.strip()))


@given(
    st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=5),
    st.sampled_from(SEPARATORS),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_a_table_of_any_dialect_comes_back(
    values: list[tuple[str, str, str]], separator: str, encoding: str, ending: str, named: bool
) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator=ending).writerows([("image", "label", "note"), *values])
    content = (f"sep={separator}{ending}" if named else "") + text.getvalue()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_bytes(content.encode(encoding))
        found = [tuple(row.values()) for _, row in read_table(path, ("image", "label"))]
    assert found == [tuple(value.strip() for value in row) for row in values]


@given(
    st.lists(st.text('abc, "\u00e4', max_size=5), min_size=2, max_size=4).map(tuple),
    st.integers(0, 3),
    st.integers(0, 3),
)
def test_rows_come_with_the_line_that_they_begin_in(row: tuple[str, ...], above: int, breaks: int) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    text.write("\n" * above)
    writer.writerow(["h"] * len(row))
    writer.writerow(["x" + "\n" * breaks + "y", *row[1:]])
    writer.writerow(["last", *row[1:]])
    found = [line for line, values in records(text.getvalue(), Path("t.csv")) if any(values)]
    assert found == [above + 1, above + 2, above + 3 + breaks]


@given(st.binary(max_size=200), st.sampled_from([None, "gbk", "cp932", "utf-16"]))
def test_any_bytes_are_a_table_or_one_error(data: bytes, encoding: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_bytes(data)
        try:
            found = list(read_table(path, ("image",), encoding=encoding))
        except CytopipeError as error:
            assert "t.csv" in str(error)
        else:
            assert all("image" in row for _, row in found)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xef\xbb\xbfa", "a"),
        ("\u00e4".encode(), "\u00e4"),
        (b"\xe4", "\u00e4"),
        (b"\x80 5", "\u20ac 5"),
        ("a,b".encode("utf-16"), "a,b"),
        ("a,b".encode("utf-16-be"), "a,b"),
        (b"", ""),
    ],
)
def test_encodings_are_found(data: bytes, text: str) -> None:
    assert decode(data, Path("t.csv")) == text


@pytest.mark.parametrize(
    ("data", "encoding", "message"),
    [
        (
            b"a\n\xed\xee\xf0\xec\xe0",
            None,
            r"t\.csv:2: not UTF-8 text, and the encoding is not known\n.*options.csv_encoding",
        ),
        (b"\x81", None, "not UTF-8 text, nor Windows-1252"),
        (b"\xff\xfea", None, "the text is not in utf-16"),
        (b"a", "utf8mb4", "no encoding is called 'utf8mb4'"),
        (b"\xe4", "utf-8", "the text is not in utf-8"),
    ],
)
def test_encodings_that_are_not_found_are_refused(data: bytes, encoding: str | None, message: str) -> None:
    with pytest.raises(CytopipeError, match=message):
        decode(data, Path("t.csv"), encoding)


def test_a_table_without_a_header_is_read_by_its_records(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("P1,a.png\n\nP2,b.png,c.png\n")
    assert read_records(tmp_path / "t.csv") == [(1, ["P1", "a.png"]), (2, []), (3, ["P2", "b.png", "c.png"])]


def test_the_columns_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("\nimage;label;;\n1;2;;\n")
    assert columns_of(tmp_path / "t.csv") == ["image", "label"]
    (tmp_path / "t.csv").write_text("")
    assert columns_of(tmp_path / "t.csv") == []
