from __future__ import annotations

from cytopipe.adapters.ids import LONGEST, file_ids


def test_usual_ids_stay_as_they_are() -> None:
    ids = ["a", "b_c", "细胞", "x" * LONGEST, "a"]
    assert file_ids(ids) == ids


def test_long_ids_get_a_hash_of_the_whole() -> None:
    first, second, plain = file_ids(["é" * 300 + "1", "é" * 300 + "2", "c"])
    assert first != second and plain == "c"
    assert first.startswith("é" * 100 + "-") and max(len(first.encode()), len(second.encode())) <= LONGEST


def test_ids_that_differ_only_in_case_differ_in_more() -> None:
    one, other, plain = file_ids(["a__C", "a__c", "b"])
    assert len({one.lower(), other.lower()}) == 2 and plain == "b"
    assert one.startswith("a__C-") and other.startswith("a__c-")
