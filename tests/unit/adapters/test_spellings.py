"""Labels and groups of several spellings among the samples of any adapter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from cytopipe.adapters.base import Options, Sample
from cytopipe.adapters.registry import ADAPTERS
from cytopipe.adapters.spellings import settle
from cytopipe.errors import CytopipeError


def samples(labels: Sequence[str], groups: Sequence[str] | None = None, split: str | None = None) -> list[Sample]:
    named = groups or [f"G{'abcdefghij'[number]}" for number in range(len(labels))]
    return [
        Sample(f"i{number}", Path(f"/raw/i{number}.png"), label, group, split)
        for number, (label, group) in enumerate(zip(labels, named, strict=True))
    ]


def labels_of(
    given: list[Sample], options: Options, preferred: Sequence[str] = (), excluded: Sequence[str] = ()
) -> list[str]:
    return [sample.label for sample in settle(given, options, preferred, excluded, "datasets.x")]


def test_samples_without_a_doubt_are_handed_on() -> None:
    given = samples(["a", "b", "a"])
    assert settle(given, Options(), (), (), "datasets.x") == given


def test_the_most_frequent_spelling_names_the_class() -> None:
    given = samples(["a", "A", "A", "b"])
    assert labels_of(given, Options(label_spellings="merge")) == ["A", "A", "A", "b"]
    assert labels_of(given, Options(label_spellings="merge"), ["a"]) == ["a", "a", "a", "b"]
    assert labels_of(given, Options(label_spellings="keep")) == ["a", "A", "A", "b"]


def test_classes_that_the_options_name_are_kept() -> None:
    assert labels_of(samples(["a", "A"]), Options(), ["a", "A"]) == ["a", "A"]


def test_excluded_classes_take_their_spellings_along_where_they_are_merged() -> None:
    given = samples(["a", "A", "A", "b"])
    assert labels_of(given, Options(label_spellings="merge"), (), ["a"]) == ["b"]
    assert labels_of(given, Options(), (), ["a", "A"]) == ["b"]
    with pytest.raises(CytopipeError, match=r"datasets\.x\.options\.label_spellings: labels that differ only in"):
        labels_of(given, Options(), (), ["a"])
    with pytest.raises(CytopipeError, match=r"x\.exclude_classes: no image has the class 'c'; there are \['a', 'b'\]$"):
        labels_of(samples(["a", "b"]), Options(), (), ["c"])


def test_groups_are_merged_under_the_most_frequent_name() -> None:
    given = samples(["x"] * 4, ["P1", "p01", "p01", "P2"])
    merged = settle(given, Options(group_spellings="merge"), (), (), "datasets.x")
    assert [sample.group for sample in merged] == ["p01", "p01", "p01", "P2"]
    with pytest.raises(CytopipeError, match=r"'P1' \(1 images\), 'p01' \(2 images\)\n  -> one patient under two names"):
        settle(given, Options(), (), (), "datasets.x")


def test_the_publishers_splits_of_a_group_are_named() -> None:
    given = samples(["x"] * 2, ["P1", "P2"], "train") + samples(["x"], ["p1"], "test")
    with pytest.raises(CytopipeError, match=r"'P1' \(1 images in train\), 'p1' \(1 images in test\)"):
        settle(given, Options(), (), (), "datasets.x")


def test_an_images_own_name_is_no_group() -> None:
    given = [Sample(f"x_{name}", Path(f"/raw/x/{name}.png"), "x", f"x/{name}") for name in ("c1", "C1", "c01")]
    assert settle(given, Options(), (), (), "datasets.x") == given


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_adapter_takes_the_options(name: str) -> None:
    options = ADAPTERS[name].parse({"label_spellings": "keep", "group_spellings": "merge"}, "k")
    assert (options.label_spellings, options.group_spellings) == ("keep", "merge")
