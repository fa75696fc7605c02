from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cytopipe.adapters.base import AnnotatedField
from cytopipe.data.manifest import Row
from cytopipe.errors import CytopipeError
from cytopipe.screening.annotated import ScreeningResult, held_out_fields
from made_fields import field, found, true

HERE = Path("manifest.csv")


def annotated(group: str) -> AnnotatedField:
    return AnnotatedField(group, Path(f"{group}.bmp"), group, ())


def rows(**splits: str) -> list[Row]:
    """Manifest rows of cells: for each group, one cell per named split."""
    return [
        Row(f"{group}_{place}", "", "a", 0, split, group, 8, 8, "0" * 64)
        for group, named in splits.items()
        for place, split in enumerate(named.split())
    ]


def test_only_fields_all_of_whose_cells_are_test_images_are_screened() -> None:
    fields = [annotated(name) for name in ("seen", "torn", "tested", "validated", "left_out")]
    manifest = rows(seen="train train", torn="test train test", tested="test test", validated="val")
    assert [one.id for one in held_out_fields(fields, manifest, HERE)] == ["tested"]


def test_without_a_field_of_test_images_only_there_is_an_error() -> None:
    with pytest.raises(CytopipeError, match=r"no field has all its cells among the test images.*\n.*kind: grouped"):
        held_out_fields([annotated("torn")], rows(torn="test val"), HERE)


@pytest.fixture
def result(tmp_path: Path) -> ScreeningResult:
    fields = [
        field([true(20, 20, 20)], [found(20, 20, 20)], "right", "g1"),
        field([true(20, 20, 20), true(90, 20, 20, "b")], [], "missed", "g2"),
    ]
    Image.fromarray(np.full((200, 300, 3), 120, np.uint8)).save(tmp_path / "field.bmp")
    return ScreeningResult(fields, [tmp_path / "field.bmp"] * 2, ("a", "b"))


def write(result: ScreeningResult, folder: Path) -> dict[str, bytes]:
    (folder / "plots").mkdir(parents=True)
    (folder / "figures").mkdir()
    result.write_tables(folder / "detections.csv", folder / "fields.csv")
    result.write_plots(folder / "plots")
    result.write_figures(folder / "figures")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_every_file_is_written_with_the_same_bytes_each_time(result: ScreeningResult, tmp_path: Path) -> None:
    first = write(result, tmp_path / "first")
    assert set(first) == {
        *("detections.csv", "fields.csv", "figures/missed.png", "figures/right.png"),
        *(f"plots/{name}.{kind}" for name in ("counts", "precision_recall") for kind in ("csv", "png")),
    }
    assert write(result, tmp_path / "second") == first
    assert next(csv.DictReader(first["detections.csv"].decode().splitlines()))["match"] == "20_20"


def test_a_screening_without_detections_is_written_too(result: ScreeningResult, tmp_path: Path) -> None:
    nothing = ScreeningResult(result.fields[1:], result.images[1:], result.classes)
    files = write(nothing, tmp_path / "nothing")
    assert files["detections.csv"].decode().startswith("field,left,top,right,bottom,score,counts,match")
    assert files["detections.csv"].count(b"\n") == files["plots/precision_recall.csv"].count(b"\n") == 1
    assert nothing.details.boxes["f1"].value == 0
