"""Texts that a person takes for one."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytopipe.adapters.alike import CLASS, alike, nearest, same_text, sets_alike, shown


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("P001", "p1"),
        (" p-1 ", "p1"),
        ("\uff30\uff11", "p1"),
        ("P_01", "p1"),
        ("1.0", "1"),
        ("0", "0"),
        ("00", "0"),
        ("0.5", "0.5"),
        ("1-11", "1 11"),
        ("1 - 11", "1 11"),
        ("2024-03-01", "2024 3 1"),
        ("CD3\u2212", "cd3-"),
        ("type -1", "type-1"),
        ("low - grade", "lowgrade"),
        ("Stra\u00dfe", "strasse"),
        ("\u041d\u041e\u0420\u041c\u0410", "hopma"),
        ("\u043d\u043e\u0440\u043c\u0430", "hopma"),
        ("", ""),
    ],
)
def test_the_key_of_a_text(text: str, key: str) -> None:
    assert alike(text) == key


@given(st.text(max_size=12))
def test_the_key_does_not_depend_on_case_form_or_spaces_around(text: str) -> None:
    key = alike(text)
    assert alike(f" {text}\t") == key
    assert alike(unicodedata.normalize("NFD", text)) == key
    assert alike(unicodedata.normalize("NFC", text)) == key


@given(st.text("abcxyzABCXYZ0123456789 _-", max_size=12))
def test_the_key_does_not_depend_on_the_case_of_letters(text: str) -> None:
    assert alike(text.upper()) == alike(text.lower()) == alike(text)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(1, 6))
def test_numbers_are_alike_if_they_are_equal(one: int, other: int, zeros: int) -> None:
    assert (alike(f"P{one}") == alike(f"p{'0' * zeros}{other}")) == (one == other)
    assert (alike(f"{one}-{other}") == alike(f"{other}-{one}")) == (one == other)


@pytest.mark.parametrize(
    ("names", "sets"),
    [
        (["a", "b"], []),
        (["a", "A", "b"], [["A", "a"]]),
        (["P001", "p002", "P1", "2", "3"], [["2", "p002"], ["P001", "P1"]]),
        (["A1", "B1", "1"], []),
        (["-1", "1", "+1"], []),
        (["control", "S1", "1"], [["1", "S1"]]),
    ],
)
def test_sets_of_names_that_are_alike(names: list[str], sets: list[list[str]]) -> None:
    assert sets_alike(names) == sets
    assert sets_alike([*reversed(names), *names]) == sets


def test_the_nearest_names() -> None:
    assert nearest("normall", ["Normal", "abnormal"]) == ["Normal", "abnormal"]
    assert nearest("normall", ["Normal", "abnormal"], 1) == ["Normal"]
    assert nearest("abnormal", ["normal"], cutoff=CLASS) == []
    assert nearest("Carcinom", ["carcinoma"], cutoff=CLASS) == ["carcinoma"]


def test_the_same_text_in_another_unicode_form() -> None:
    assert same_text("a\u0308", ["\u00e4", "a\u0308"]) == "a\u0308"
    assert same_text("a\u0308", ["\u00e4"]) == "\u00e4"
    assert same_text("A", ["a"]) is None


def test_what_cannot_be_seen_is_shown() -> None:
    assert shown("Pr\u00e4parat 1") == "'Pr\u00e4parat 1'"
    assert shown("a\u0308\u200b\u00a0\n") == "'a\\u0308\\u200b\\u00a0\\u000a'"
