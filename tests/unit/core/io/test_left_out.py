from __future__ import annotations

from pathlib import Path

import pytest

from cytopipe.core.io.left_out import LeftOut
from cytopipe.errors import CytopipeError


def test_files_are_counted_by_reason_with_the_first_of_each() -> None:
    found = LeftOut.of({"b": "litter", "a": "litter", "c": "text"})
    assert found.total == 3
    assert found.plain == {"litter": {"count": 2, "first": "a"}, "text": {"count": 1, "first": "c"}}
    assert str(found) == "2 x litter (first: a); 1 x text (first: c)"
    assert found.holds(["text"]) and not found.holds(["words"])


def test_counts_are_added() -> None:
    both = LeftOut.of({"b": "litter"}) + LeftOut.of({"a": "litter", "c": "text"})
    assert both == LeftOut({"litter": 2, "text": 1}, {"litter": "a", "text": "c"})
    assert not LeftOut() + LeftOut()


def test_what_is_written_is_read_and_no_file_is_nothing(tmp_path: Path) -> None:
    found = LeftOut.of({"a/é": "litter"})
    found.write(tmp_path / "left_out.json")
    assert LeftOut.read(tmp_path / "left_out.json") == found
    assert LeftOut.read(tmp_path / "none.json") == LeftOut()


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": {"count": "x", "first": "b"}}'])
def test_a_file_of_another_kind_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "left_out.json").write_text(text)
    with pytest.raises(CytopipeError, match=r"left_out\.json: not a count of files"):
        LeftOut.read(tmp_path / "left_out.json")
