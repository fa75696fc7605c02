from __future__ import annotations

import yaml

from cytopipe.inspection.seen import Column, Fit, Group, Masks, Pictures, Seen, Table
from cytopipe.inspection.show import show
from cytopipe.inspection.write_options import options_as_yaml, split_as_yaml

FIT = Fit(
    {"csv": "a: b.csv", "group": "no", "group_pattern": r"^(P\d+)_", "unlisted": True},
    "grouped",
    {"csv": "3 rows", "masks": "left out", "split.kind": "groups stay on one side"},
    ("decide this\n  -> so",),
    {"a": 2, "b": 1},
    {"train": 3},
    2,
)


def test_options_are_yaml_with_comments() -> None:
    text = options_as_yaml(FIT)
    assert yaml.safe_load(text) == {"options": FIT.options}
    assert "  # TO DECIDE: decide this\n  #   -> so\n" in text
    assert "  # 3 rows\n  csv: 'a: b.csv'\n" in text and text.endswith("  # left out")
    assert yaml.safe_load(split_as_yaml(FIT)) == {"split": {"kind": "grouped", "val": 0.2, "test": 0.2, "seed": 0}}
    assert split_as_yaml(FIT).startswith("# groups stay on one side\n")


def test_no_options_are_yaml_too() -> None:
    assert yaml.safe_load(options_as_yaml(Fit({}, "random", {}, ("which?",)))) == {"options": {}}


def test_the_page() -> None:
    columns = (Column("image", 3, ("x", "y")), Column("label", 2, ("a", "b"), "label"))
    seen = Seen(
        "cells", "my", 9, ("a/  3 images",),
        Pictures(500, {".png": 500}, 400, (1, 2, 3), (4, 4, 4), {"8-bit RGB": 400}, (("a/x.png", "empty"),)),
        Masks(("masks",), 3, (0, 255)), (Table("t.csv", 3, columns, 3, "my"), Table("u.csv", fault="no text")),
        (Group("group", "patient", 2, ("P1", "P2")),), (("not read: .czi", 2, "a.czi"),), FIT,
    )  # fmt: skip
    text = show(seen)
    for line in (
        "cells: 9 files, 500 images, all in my/",
        "folders\n  a/  3 images",
        "  of 400 of them:\n  width 1 to 3 (median 2) px, height 4 px\n  8-bit RGB 400",
        "  not readable: a/x.png: empty",
        "masks\n  3 files in masks\n  values 0, 255",
        "  t.csv: 3 rows, naming 3 images below my\n    image: 3 different (x, y)\n    label: 2 different",
        "2 different (a, b)  <- label",
        "  u.csv: cannot be read: no text",
        "  group: patient  gives 2 groups: P1, P2, ...",
        "other files\n  not read: .czi: 2, first a.czi",
        "  classes: a 2, b 1\n  splits: train 3\n  groups: 2\n  options:",
        "  split.kind: grouped  (groups stay on one side)",
        "to decide\n  decide this\n    -> so",
    ):
        assert line in text, line
