"""Columns such as site, scanner and age: they travel with their images, or are refused with what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cytopipe.adapters.attributes import with_attributes
from cytopipe.adapters.registry import ADAPTERS
from cytopipe.data.manifest import COLUMNS, read_manifest, write_manifest
from files_of_people import names, table, tree
from organized import Outcome, organized

COUNT = 36
FILES = [Path(name).name for name in names({"images": COUNT})]
LABELS = [("normal", "abnormal")[number % 2] for number in range(COUNT)]
PATIENTS = [f"P{number // 2:02}" for number in range(COUNT)]  # 18, each with an image of either class
SITES = ["ABC"[int(patient[1:]) % 3] for patient in PATIENTS]
AGES = [str(40 + int(patient[1:])) for patient in PATIENTS]
OPTIONS = {"csv": "labels.csv", "images": "images", "group": "patient"}
GROUPED = {"kind": "grouped", "val": 0.2, "test": 0.2, "seed": 0}


def leaving(out: Any) -> dict[str, Any]:
    """A split that leaves out."""
    return {"kind": "leave_out", "leave_out": out, "val": 0.25, "test": 0.2, "seed": 0}


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """Images with a table of label, patient, site and age."""
    folder = tree(tmp_path / "cells", names({"images": COUNT}))
    write(folder)
    return folder


def write(folder: Path, **changed: Sequence[str]) -> None:
    columns: Mapping[str, Sequence[str]] = {
        "image": FILES, "label": LABELS, "patient": PATIENTS, "site": SITES, "age": AGES, **changed
    }  # fmt: skip
    table(folder / "labels.csv", [list(columns), *zip(*columns.values(), strict=True)])


def taken(cells: Path, caplog: pytest.LogCaptureFixture, *, split: Any = GROUPED, **options: Any) -> Outcome:
    return organized(cells, cells.parent / "work", caplog, options=OPTIONS | options, split=split)


def test_columns_travel_in_the_manifest(cells: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken(cells, caplog, attributes=["site", "age"], attribute_bins={"age": [45, 55]})
    assert found.refusal == ""
    for row in found.rows:
        number = int(row.group[1:])
        assert row.attributes["site"] == "ABC"[number % 3]
        age = "under 45" if number < 5 else "45 to under 55" if number < 15 else "55 and over"
        assert row.attributes["age"] == age
    assert found.summary["attributes"]["site"]["values"] == {"A": 12, "B": 12, "C": 12}
    assert found.summary["attributes"]["age"]["limits"] == [45, 55]
    path = cells.parent / "manifest.csv"
    write_manifest(path, found.rows)
    assert path.read_text().splitlines()[0] == ",".join([*COLUMNS, "a_site", "a_age"])
    assert read_manifest(path) == found.rows


def test_without_attributes_the_manifest_is_as_it_was(cells: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken(cells, caplog)
    write_manifest(cells.parent / "manifest.csv", found.rows)
    assert (cells.parent / "manifest.csv").read_text().splitlines()[0] == ",".join(COLUMNS)
    assert not {"attributes", "left_out"} & set(found.summary)


def test_the_quartiles_are_those_of_training_groups(cells: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken(cells, caplog, attributes="age")
    said = found.summary["attributes"]["age"]
    assert said["limits_from"] == "quartiles of the training groups" and len(said["limits"]) == 3
    inside = [40 + int(row.group[1:]) for row in found.rows if row.split == "train"]
    share = sum(age < said["limits"][1] for age in inside) / len(inside)
    assert 0.4 < share < 0.6
    assert next(iter(said["values"])).startswith("under ") and list(said["values"])[-1].endswith(" and over")


def test_what_is_missing_is_a_value_of_its_own(cells: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(cells, site=["", "n/a", "Unknown", *SITES[3:]], age=["", *AGES[1:]])
    found = taken(cells, caplog, attributes=["site", "age"])
    assert found.summary["attributes"]["site"]["values"]["unknown"] == 3
    assert found.summary["attributes"]["age"]["values"]["unknown"] == 1
    assert list(found.summary["attributes"]["age"]["values"])[-1] == "unknown"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"attributes": ["sites"]}, "labels.csv has no column 'sites'; did you mean 'site'?"),
        ({"attributes": ["label"]}, "the attribute 'label' is the column of the label"),
        ({"attributes": ["patient"]}, "the attribute 'patient' is the column of the image, group"),
        ({"attributes": ["site", "site"]}, "'site' stands twice"),
        ({"attributes": ["site"], "attribute_bins": {"age": [40]}}, "'age' is not in attributes"),
        ({"attributes": ["age"], "attribute_bins": {"age": [60, 40]}}, "give numbers that ascend"),
        ({"attributes": ["site"], "attribute_bins": {"site": [40]}}, "has bins, but 'A' of"),
        ({"attributes": ["site"], "attributes_table": "clinic.csv"}, "no such CSV"),
    ],
)
def test_mistakes_are_named(cells: Path, options: Any, said: str, caplog: pytest.LogCaptureFixture) -> None:
    assert said in taken(cells, caplog, **options).refusal


def test_spellings_of_a_value_are_refused_or_merged(cells: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(cells, site=["a ", *SITES[1:]])
    assert "values of the attribute 'site' that differ only in case" in taken(cells, caplog, attributes="site").refusal
    merged = taken(cells, caplog, attributes="site", attribute_spellings="merge")
    assert merged.summary["attributes"]["site"]["values"] == {"A": 12, "B": 12, "C": 12}


def test_an_attribute_that_says_the_label_is_warned_of(cells: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(cells, site=[{"normal": "N", "abnormal": "T"}[label] for label in LABELS])
    assert "says the same as the label" in taken(cells, caplog, attributes="site").log


@pytest.mark.parametrize("by", ["group", "image"])
def test_a_table_of_its_own_is_joined(cells: Path, by: str, caplog: pytest.LogCaptureFixture) -> None:
    if by == "group":
        rows = [("case", "Scanner"), *((f"p{n}", f"S{n % 2}") for n in range(17))]  # p1 is P01; P17 has no row
    else:
        rows = [("file", "Scanner"), *((Path(name).stem, f"S{n // 2 % 2}") for n, name in enumerate(FILES[:34]))]
    table(cells / "clinic.csv", rows)
    found = taken(cells, caplog, attributes=["scanner"], attributes_table="clinic.csv")
    assert found.refusal == ""
    assert Counter(row.attributes["scanner"] for row in found.rows) == {"S0": 18, "S1": 16, "unknown": 2}
    assert found.summary["files"]["tables"] == 2


def test_two_values_of_one_patient_are_refused(cells: Path, caplog: pytest.LogCaptureFixture) -> None:
    table(cells / "clinic.csv", [("patient", "scanner"), ("P00", "S1"), ("P01", "S1"), ("P00", "S2")])
    found = taken(cells, caplog, attributes=["scanner"], attributes_table="clinic.csv")
    assert "'P00' has two values of 'scanner': 'S1' in line 2 and 'S2'" in found.refusal


def test_a_level_of_folders_is_an_attribute(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folders = {f"{site}/{label}": 6 for site in ("north", "south") for label in ("a", "b")}
    cells = tree(tmp_path / "cells", names(folders))
    options = {"folders": "site/class", "attributes": ["site"]}
    found = organized(cells, tmp_path / "work", caplog, options=options, split=leaving("site"))
    assert found.refusal == ""
    assert {(row.source.split("/")[0], row.attributes["site"]) for row in found.rows} == {
        ("north", "north"), ("south", "south")
    }  # fmt: skip
    wrong = organized(cells, tmp_path / "work", caplog, options={**options, "folders": "cite/class"})
    assert "'cite' is none of" in wrong.refusal


@pytest.mark.parametrize(
    "split",
    [
        leaving({"attribute": "site", "values": ["B"]}),
        leaving({"attribute": "site", "values": "B"}),
        {"kind": {"leave_out": {"attribute": "site", "values": ["B"]}}, "val": 0.25, "test": 0.2, "seed": 0},
    ],
)
def test_a_site_is_left_out(cells: Path, split: Any, caplog: pytest.LogCaptureFixture) -> None:
    found = taken(cells, caplog, attributes=["site", "age"], split=split)
    assert found.refusal == ""
    assert {row.attributes["site"] for row in found.rows if row.split == "test"} == {"B"}
    assert "B" not in {row.attributes["site"] for row in found.rows if row.split != "test"}
    sides = {row.group: row.split for row in found.rows}
    assert all(sides[row.group] == row.split for row in found.rows)
    assert found.summary["left_out"] == {"attribute": "site", "values": ("A", "B", "C"), "tested": ("B",)}


def test_without_a_value_the_smallest_site_of_every_class_is_left_out(
    cells: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sites = ["D" if patient == "P00" and label == "normal" else site for patient, label, site in _columns()]
    write(cells, patient=[f"{patient}{label[0]}" for patient, label, _ in _columns()], site=sites)
    found = taken(cells, caplog, attributes="site", split=leaving("site"))
    assert found.summary["left_out"]["tested"] == ("A",)  # D has one class; A has 11 images, B and C have 12
    assert "test images are those of site A" in found.log


def _columns() -> list[tuple[str, str, str]]:
    return list(zip(PATIENTS, LABELS, SITES, strict=True))


@pytest.mark.parametrize(
    ("changed", "out", "said"),
    [
        ({}, "sites", "'sites' is no attribute; did you mean 'site'?"),
        ({}, {"attribute": "site", "values": ["E"]}, "no image has the site 'E'"),
        ({}, "age", "'age' holds numbers"),
        ({}, {"attribute": "site", "values": ["A", "B", "C"]}, "every site is left out"),
        ({"site": ["A"] * COUNT}, "site", "all images are of one site, 'A'"),
        ({"site": ["B", *SITES[1:]]}, "site", "1 groups have images of several values of site, first 'P00' of A, B"),
        ({"site": ["", *SITES[1:]]}, "site", "1 images have no site"),
        ({"label": [f"{label} {s}" for _, label, s in _columns()]}, "site", "no site has images of every class"),
        (
            {"label": [f"x{s}" if s == "C" else label for _, label, s in _columns()]},
            {"attribute": "site", "values": ["B"]},
            "the class 'xC' (12 images) has none in the test split",
        ),
    ],
)
def test_splits_that_cannot_be_are_named(
    cells: Path, changed: Any, out: Any, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    write(cells, **changed)
    assert said in taken(cells, caplog, attributes=["site", "age"], split=leaving(out)).refusal


def test_groups_can_be_left_out(cells: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken(cells, caplog, split=leaving({"attribute": "group", "values": ["P03", "P05"]}))
    assert {row.group for row in found.rows if row.split == "test"} == {"P03", "P05"}


def test_the_table_of_a_published_dataset_has_columns_too(tmp_path: Path) -> None:
    classes = ("Homogeneous", "Speckled", "Nucleolar", "Centromere", "NuMem", "Golgi")
    raw = tree(tmp_path / "raw", [f"all/{number:05}.png" for number in range(1, 13)])
    rows = [(number, classes[number % 6], "AB"[number % 2]) for number in range(1, 13)]
    table(raw / "gt_training.csv", [("Image ID", "Image class", "Site"), *rows])
    source, options = ADAPTERS["hep2"], {"attributes": ["site"]}
    samples = with_attributes(source.read(raw, options, "k"), raw, source, source.parse(options, "k"), "k")
    assert [sample.attributes["site"] for sample in samples] == ["AB"[number % 2] for number in range(1, 13)]


def test_folders_without_a_table_ask_for_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cells = tree(tmp_path / "cells", names({"a": 6, "b": 6}))
    found = organized(cells, tmp_path / "work", caplog, options={"attributes": ["age"]})
    assert "there is no table with the attribute 'age'" in found.refusal
