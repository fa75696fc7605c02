"""Labels and groups of several spellings: told apart, merged or kept as the options say, never split in silence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from files_of_people import names, table, tree
from organized import Outcome, organized

GROUPED = {"kind": "grouped", "val": 0.25, "test": 0.25, "seed": 0}


def listed(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    rows: Sequence[tuple[str, ...]],
    columns: tuple[str, ...] = ("label", "patient"),
    dataset: dict[str, Any] | None = None,
    **options: Any,
) -> Outcome:
    """What becomes of a table with these values in its columns, an image for each row."""
    files = names({"images": len(rows)})
    tree(tmp_path / "cells", files)
    lines = [(Path(name).name, *(f'"{value}"' for value in row)) for name, row in zip(files, rows, strict=True)]
    table(tmp_path / "cells/labels.csv", [("image", *columns), *lines])
    named = {column: column for column in ("group", "split") if column in columns}
    base = {"csv": "labels.csv", "images": "images"} | ({"group": "patient"} if "patient" in columns else {}) | named
    return organized(tmp_path / "cells", tmp_path / "work", caplog, options=base | options, **(dataset or {}))


def of_labels(*labels: str, each: int = 4) -> list[tuple[str, ...]]:
    return [(label,) for label in labels for _ in range(each)]


def of_groups(*groups: str, others: int = 6) -> list[tuple[str, ...]]:
    """Two images of each group, one of each class, and other groups besides."""
    every = [*groups, *(f"other{chr(97 + number)}" for number in range(others))]
    return [(label, group) for group in every for label in ("normal", "abnormal")]


# Spellings of one class, and how the message shows them.
SPELLINGS: dict[str, tuple[tuple[str, ...], str]] = {
    "case": (("normal", "Normal"), "'Normal' (4 images), 'normal' (4 images)"),
    "three cases": (("normal", "Normal", "NORMAL"), "'NORMAL' (4 images), 'Normal' (4 images), 'normal' (4 images)"),
    "two spaces within": (("low grade", "low  grade"), "'low  grade' (4 images), 'low grade' (4 images)"),
    "no space": (("low grade", "lowgrade"), "'low grade' (4 images), 'lowgrade' (4 images)"),
    "a no-break space": (("low grade", "low\u00a0grade"), "'low grade' (4 images), 'low\\u00a0grade' (4 images)"),
    "a space that has no width": (("normal", "nor\u200bmal"), "'normal' (4 images), 'nor\\u200bmal' (4 images)"),
    "an underscore": (("low grade", "low_grade"), "'low grade' (4 images), 'low_grade' (4 images)"),
    "a hyphen and a dash": (("low-grade", "low\u2013grade"), "'low-grade' (4 images), 'low\u2013grade' (4 images)"),
    "full width": (("LSIL", "\uff2c\uff33\uff29\uff2c"), "'LSIL' (4 images), '\uff2c\uff33\uff29\uff2c' (4 images)"),
    "composed and not": (("Präparat", "Pra\u0308parat"), "'Pra\\u0308parat' (4 images), 'Präparat' (4 images)"),
    "a Cyrillic letter": (("ASC", "AS\u0421"), "'ASC' (4 images), 'AS\u0421' (4 images)"),
    "zeros": (("grade 1", "grade 01"), "'grade 01' (4 images), 'grade 1' (4 images)"),
    "numbers and floats": (("1", "1.0"), "'1' (4 images), '1.0' (4 images)"),
    "numbers of Excel": (("01", "1"), "'01' (4 images), '1' (4 images)"),
    "a bare number": (("grade 1", "1"), "'1' (4 images), 'grade 1' (4 images)"),
}


@pytest.mark.parametrize(("spellings", "shown"), SPELLINGS.values(), ids=list(SPELLINGS))
def test_labels_of_several_spellings(
    spellings: tuple[str, ...], shown: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = of_labels("carcinoma", *spellings)
    refusal = listed(tmp_path, caplog, rows, ("label",)).refusal
    assert refusal.startswith("datasets.mine.options.label_spellings: labels that differ only in case, spaces")
    assert f": {shown}\n" in refusal
    assert "options.label_spellings: merge" in refusal
    kept = listed(tmp_path, caplog, rows, ("label",), label_spellings="keep")
    assert kept.classes == dict.fromkeys(("carcinoma", *spellings), 4)
    merged = listed(tmp_path, caplog, [*rows, (spellings[-1],)], ("label",), label_spellings="merge")
    assert merged.classes == {"carcinoma": 4, spellings[-1]: 4 * len(spellings) + 1}
    assert "spellings of labels: " in merged.log


@pytest.mark.parametrize(
    "labels",
    [
        ("CD3+", "CD3-"),
        ("-1", "1"),
        ("type 1-1", "type 11"),
        ("1.05", "1.5"),
        ("0.0", "1.0"),
        ("10", "100"),
        ("A1", "B1"),
        ("normal", "abnormal"),
        ("ER+/PR-", "ER-/PR+".replace("/", " ")),
        ("süß", "sub"),
        ("grade I", "grade II"),
        ("< 5 %", "> 5 %"),
    ],
)
def test_labels_that_mean_different_things_are_kept(
    labels: tuple[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    labels = (labels[0].replace("/", " "), labels[1])
    found = listed(tmp_path, caplog, of_labels(*labels), ("label",))
    assert found.refusal == ""
    assert found.classes == dict.fromkeys(sorted(labels), 4)


def test_words_for_nothing_are_kept_as_text_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = listed(tmp_path, caplog, of_labels("1", "10", "2", "nan", "None", "NA"), ("label",))
    assert found.classes == dict.fromkeys(("1", "10", "2", "NA", "None", "nan"), 4)
    for word in ("NA", "None", "nan"):
        assert f"datasets.mine: the label '{word}' (4 images) is taken as it stands" in found.log


def test_an_empty_label_is_refused_with_its_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [*of_labels("a", "b"), (" ",)]
    assert "labels.csv:10: the label is empty\n  -> name a class" in listed(tmp_path, caplog, rows, ("label",)).refusal


def test_class_folders_of_several_spellings(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tree(tmp_path / "cells", names({"Normal": 4, "normal": 5, "HSIL": 4}))
    refusal = organized(tmp_path / "cells", tmp_path / "work", caplog).refusal
    assert "labels that differ only in" in refusal
    assert "'Normal' (4 images), 'normal' (5 images)" in refusal
    merged = organized(tmp_path / "cells", tmp_path / "work", caplog, options={"label_spellings": "merge"})
    assert merged.classes == {"HSIL": 4, "normal": 9}


def test_labels_take_the_spelling_of_the_classes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = of_labels("Normal", "normal", "HSIL")
    options: dict[str, Any] = {"classes": ["NORMAL", "HSIL"], "normal": ["NORMAL"]}
    refusal = listed(tmp_path, caplog, rows, ("label",), **options).refusal
    assert "the label 'Normal' is not in options.classes; did you mean 'NORMAL'?" in refusal
    assert "options.label_spellings: merge takes both for one" in refusal
    merged = listed(tmp_path, caplog, rows, ("label",), label_spellings="merge", **options)
    assert merged.summary["classes"] == ["NORMAL", "HSIL"]
    assert merged.summary["normal"] == ["NORMAL"]
    assert merged.classes == {"HSIL": 4, "NORMAL": 8}


def test_classes_of_a_decomposed_folder_are_those_of_the_options(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tree(tmp_path / "cells", names({"aufta\u0308llig": 4, "normal": 4}))
    options = {"classes": ["normal", "auftällig"], "normal": ["normal"]}
    found = organized(tmp_path / "cells", tmp_path / "work", caplog, options=options)
    assert found.summary["classes"] == ["normal", "auftällig"]


@pytest.mark.parametrize(
    ("dataset", "options", "message"),
    [
        ({"exclude_classes": ["Normal"]}, {}, "no image has the class 'Normal'; .*\n  -> did you mean 'normal'?"),
        ({}, {"normal": ["Normal"]}, "normal: there is no class 'Normal'; did you mean 'normal'?"),
        (
            {},
            {"classes": ["Normal", "abnormal"]},
            "'normal' is not in options.classes; did you mean 'Normal'?",
        ),
        ({}, {"classes": ["normal", "abnormall"]}, "'abnormal' is not in options.classes; did you mean 'abnormall'?"),
        ({}, {"classes": ["normal", "healthy"]}, "the label 'abnormal' is not in options.classes\n"),
        ({}, {"label_spellings": "both"}, "label_spellings: Input should be 'error', 'merge' or 'keep'"),
    ],
)
def test_options_that_miss_a_class_come_with_the_nearest(
    dataset: dict[str, Any],
    options: dict[str, Any],
    message: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = listed(tmp_path, caplog, of_labels("normal", "abnormal"), ("label",), dataset, **options)
    for part in message.split(".*"):
        assert part in found.refusal


def test_excluded_classes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = of_labels("junk", "Junk", "a", "b")
    both = {"exclude_classes": ["junk", "Junk"]}
    assert listed(tmp_path, caplog, rows, ("label",), both).classes == {"a": 4, "b": 4}
    one = {"exclude_classes": ["junk"]}
    assert "'Junk' (4 images), 'junk' (4 images)" in listed(tmp_path, caplog, rows, ("label",), one).refusal
    merged = listed(tmp_path, caplog, rows, ("label",), one, label_spellings="merge")
    assert merged.classes == {"a": 4, "b": 4}


def test_a_class_with_a_line_break_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = listed(tmp_path, caplog, of_labels("low\ngrade", "b"), ("label",))
    assert "the class 'low\\ngrade' holds a line break or a tab" in found.refusal


# Groups.

GROUPS: dict[str, tuple[tuple[str, ...], str]] = {
    "case": (("P001", "p001"), "'P001' (2 images), 'p001' (2 images)"),
    "zeros": (("P001", "P1"), "'P001' (2 images), 'P1' (2 images)"),
    "the bare number": (("P001", "1"), "'1' (2 images), 'P001' (2 images)"),
    "all of them": (
        ("P001", "p001", "P1", "1"),
        "'1' (2 images), 'P001' (2 images), 'P1' (2 images), 'p001' (2 images)",
    ),
    "a space": (("P 1", "P1"), "'P 1' (2 images), 'P1' (2 images)"),
    "a hyphen": (("S-12", "S12"), "'S-12' (2 images), 'S12' (2 images)"),
    "floats of pandas": (("17", "17.0"), "'17' (2 images), '17.0' (2 images)"),
    "zeros that Excel ate": (("0017", "17"), "'0017' (2 images), '17' (2 images)"),
    "dates": (("2024-03-01", "2024-3-1"), "'2024-03-01' (2 images), '2024-3-1' (2 images)"),
    "full width": (("P1", "\uff30\uff11"), "'P1' (2 images), '\uff30\uff11' (2 images)"),
}


@pytest.mark.parametrize(("spellings", "shown"), GROUPS.values(), ids=list(GROUPS))
def test_groups_of_several_spellings(
    spellings: tuple[str, ...], shown: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows, dataset = of_groups(*spellings), {"split": GROUPED}
    refusal = listed(tmp_path, caplog, rows, dataset=dataset).refusal
    assert refusal.startswith("datasets.mine.options.group_spellings: groups that differ only in case")
    assert f": {shown}\n" in refusal
    assert "options.group_spellings: merge" in refusal
    kept = listed(tmp_path, caplog, rows, dataset=dataset, group_spellings="keep")
    assert len(kept.groups) == len(spellings) + 6
    merged = listed(tmp_path, caplog, rows, dataset=dataset, group_spellings="merge")
    assert len(merged.groups) == 7
    first = sorted(spellings)[0]
    assert merged.groups[first] == 2 * len(spellings)
    assert len({row.split for row in merged.rows if row.group == first}) == 1


@pytest.mark.parametrize(
    "groups", [("1-11", "11-1"), ("A1", "B1", "1"), ("P10", "P1"), ("P1.05", "P1.5"), ("+1", "-1")]
)
def test_groups_that_are_different_patients(
    groups: tuple[str, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = listed(tmp_path, caplog, of_groups(*groups), dataset={"split": GROUPED})
    assert found.refusal == ""
    assert len(found.groups) == len(groups) + 6


def test_a_patient_on_both_sides_of_the_publishers_split(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sides = ("train", "val", "test")
    rows = [(label, f"P{n}", sides[n % 3]) for n in range(1, 7) for label in ("a", "b")]
    rows += [(label, "p1", "test") for label in ("a", "b")]
    found = listed(tmp_path, caplog, rows, ("label", "patient", "split"), {"split": {"kind": "published"}})
    assert "'P1' (2 images in val), 'p1' (2 images in test)" in found.refusal
    published = {"split": {"kind": "published"}}
    found = listed(tmp_path, caplog, rows, ("label", "patient", "split"), published, group_spellings="merge")
    assert "lie in several splits, first 'P1' in test, val" in found.refusal


def test_names_of_images_are_no_groups(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tree(tmp_path / "cells", [f"{label}/{name}.png" for label in "ab" for name in ("c1", "C1", "c01", "c-1")])
    found = organized(tmp_path / "cells", tmp_path / "work", caplog)
    assert found.refusal == ""
    assert len(found.groups) == 8


def test_masks_beside_the_images_of_class_folders(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = [f"{label}/{n:03}{suffix}" for label in "ab" for n in range(4) for suffix in (".bmp", ".png")]
    tree(tmp_path / "cells", files)
    refusal = organized(tmp_path / "cells", tmp_path / "work", caplog).refusal
    assert "two images have the id 'a__000'" in refusal
    assert "if one is a mask, name the suffix of the images in options.suffix (such as .bmp)" in refusal
    found = organized(tmp_path / "cells", tmp_path / "work", caplog, options={"suffix": "bmp"})
    assert found.classes == {"a": 4, "b": 4}
    assert all(row.source.endswith(".bmp") for row in found.rows)
    refusal = organized(tmp_path / "cells", tmp_path / "work", caplog, options={"suffix": ".tif"}).refusal
    assert "no image ends in '.tif'\n  -> correct options.suffix" in refusal


def test_groups_of_a_pattern_are_checked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tree(tmp_path / "cells", [f"{label}/{p}_{n}.png" for label in "ab" for p in ("P1", "p01", "P2") for n in range(3)])
    found = organized(tmp_path / "cells", tmp_path / "work", caplog, options={"group_pattern": r"/(\w+)_"})
    assert "groups that differ only in" in found.refusal
    assert "'P1' (6 images), 'p01' (6 images)" in found.refusal


def test_an_unknown_patient_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = listed(tmp_path, caplog, of_groups("nan"), dataset={"split": GROUPED})
    assert "datasets.mine: the group 'nan' (2 images) is taken as it stands; if it means an empty cell" in found.log
    empty = listed(tmp_path, caplog, of_groups(""), dataset={"split": GROUPED})
    assert "labels.csv:2: the group is empty" in empty.refusal


def test_many_sets_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = of_groups(*(f"{letter}{n}" for letter in "Pp" for n in range(1, 9)))
    assert "'P5' (2 images), 'p5' (2 images); and 3 more\n" in listed(tmp_path, caplog, rows).refusal


# Classes of few groups, splits in a column.


def test_a_class_of_one_patient(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [*of_groups(others=8), *[("carcinoma", "P9")] * 5]
    refusal = listed(tmp_path, caplog, rows, dataset={"split": GROUPED}).refusal
    assert "the 5 images of 'carcinoma' are of 1 group (P9); 3 groups are needed, one for each of train" in refusal
    assert "no other seed or fraction can help" in refusal
    rows = [*of_groups(others=8), *[("carcinoma", "P9")] * 5, ("carcinoma", "P8"), ("rare", "P8")]
    refusal = listed(tmp_path, caplog, rows, dataset={"split": GROUPED}).refusal
    assert "the 6 images of 'carcinoma' are of 2 groups (P8, P9); the one image of 'rare' is of 1 group (P8)" in refusal


def test_a_class_of_two_images(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [*of_labels("a", "b"), *of_labels("c", each=2)]
    refusal = listed(tmp_path, caplog, rows, ("label",)).refusal
    assert "the 2 images of 'c' are of 2 different images" in refusal


@pytest.mark.parametrize(
    ("word", "hint"),
    [("trian", "did you mean 'train'?"), ("tset", "did you mean 'test'?"), ("", "write train, val or test")],
)
def test_a_misspelt_split_comes_with_the_nearest(
    word: str, hint: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [("a", word), *(("a", side) for side in ("train", "val", "test"))]
    found = listed(tmp_path, caplog, rows, ("label", "split"), {"split": {"kind": "published"}})
    assert f"labels.csv:2: the split '{word}' is not train, val or test\n  -> {hint}" in found.refusal
