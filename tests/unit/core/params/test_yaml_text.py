"""YAML of strangers: what is refused where, and that merges are none of it."""

from __future__ import annotations

import pytest
import yaml

from cytopipe.core.params.yaml_text import load_yaml


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: {c: 1,\n  c: 2}", 2, "'c' stands twice, in lines 2 and 3"),
        ("a: &x {b: 1, b: 2}\nc: {<<: *x}", 0, "'b' stands twice, in lines 1 and 1"),
        ("a: 1\n? [b]\n: 2", 1, "a key must be one value"),
        ("a: 2026-13-45", 0, "month must be in 1..12"),
        ("a: !!set {b}", 0, "the tag 'tag:yaml.org,2002:set' is not taken: values are plain"),
    ],
)
def test_what_is_refused_names_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(yaml.MarkedYAMLError) as refused:
        load_yaml(text)
    assert refused.value.problem == message
    assert refused.value.problem_mark is not None and refused.value.problem_mark.line == line


@pytest.mark.parametrize(
    "text",
    [
        "base: &base {a: 1, b: 2}\nuser: {<<: *base, a: 3}",
        # The merge of `inner` is resolved before its own mapping is constructed.
        "base: &base {a: 1}\nouter: {inner: &inner {<<: *base, a: 2}}\nlast: {<<: *inner}",
        "a: &a {b: 1}\nc: {<<: [*a, {d: 2}], b: 3}",
    ],
)
def test_a_key_beside_a_merge_replaces_the_merged_one(text: str) -> None:
    assert load_yaml(text) == yaml.safe_load(text)
