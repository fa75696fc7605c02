from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pytest

from cytopipe.inspection.columns import tables_of
from cytopipe.inspection.seen import Table


def read(folder: Path, header: str, rows: Sequence[str], images: Sequence[str]) -> Table:
    (folder / "t.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    paths = [PurePosixPath(name) for name in images]
    (table,) = tables_of(folder, [PurePosixPath("t.csv"), *paths], paths)
    return table


def roles(table: Table) -> dict[str, str | None]:
    return {column.name: column.role for column in table.columns}


IMAGES = [f"pics/c{number}.png" for number in range(8)]


@pytest.mark.parametrize(
    "names",
    [
        [f"c{number}.png" for number in range(8)],
        [f"c{number}" for number in range(8)],
        [f"pics\\C{number}.PNG" for number in range(8)],
        [f"old/place/c{number}.png" for number in range(8)],
    ],
    ids=["names", "stems", "backslashes and case", "another folder"],
)
def test_the_column_of_the_images(names: list[str], tmp_path: Path) -> None:
    table = read(tmp_path, "no,what,kind", [f"{i},{name},{'ab'[i % 2]}" for i, name in enumerate(names)], IMAGES)
    assert roles(table) == {"no": None, "what": "image", "kind": "label"}
    assert (table.named, table.images) == (8, "pics")


def test_paths_below_the_source(tmp_path: Path) -> None:
    table = read(tmp_path, "image,label", [f"{name},{'ab'[i % 2]}" for i, name in enumerate(IMAGES)], IMAGES)
    assert table.images == "."


def test_names_that_stand_in_several_folders_need_their_folder(tmp_path: Path) -> None:
    images = [f"{folder}/c{number}.png" for folder in "xy" for number in range(4)]
    with_folder = [f"{name},{'ab'[i % 2]}" for i, name in enumerate(images)]
    assert read(tmp_path, "image,label", with_folder, images).named == 8
    without = [f"{Path(name).name},{'ab'[i % 2]}" for i, name in enumerate(images)]
    assert roles(read(tmp_path, "image,label", without, images)) == {"image": None, "label": None}


def test_all_roles(tmp_path: Path) -> None:
    images = [*IMAGES, *(f"masks/c{number}_m.png" for number in range(8))]
    rows = [
        f"c{i}.png,{'ab'[i % 2]},P{i // 2},{('train', 'TEST', 'val', 'Validation')[i % 4]},c{i}_m.png" for i in range(8)
    ]
    table = read(tmp_path, "File Name,Cell Type,Patient-ID,Data Split,mask", rows, images)
    assert list(roles(table).values()) == ["image", "label", "group", "split", "mask"]


def test_a_patient_for_each_image_is_no_group(tmp_path: Path) -> None:
    table = read(tmp_path, "image,label,patient", [f"c{i}.png,{'ab'[i % 2]},P{i}" for i in range(8)], IMAGES)
    assert roles(table)["patient"] is None


def test_a_table_that_names_no_image_has_no_roles(tmp_path: Path) -> None:
    table = read(tmp_path, "gene,label", ["TP53,a", "MYC,b"], IMAGES)
    assert roles(table) == {"gene": None, "label": None} and table.named == 0


def test_a_table_that_cannot_be_read(tmp_path: Path) -> None:
    table = read(tmp_path, "image,label", ["c0.png,a,too,many,values"], IMAGES)
    assert table.fault and "another number of values" in table.fault


def test_a_note_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "README.txt").write_text("Cells, of 2019.\nTaken by A.\n")
    assert tables_of(tmp_path, [PurePosixPath("README.txt")], []) == []


def test_columns_that_may_be_attributes(tmp_path: Path) -> None:
    images = [f"c{number}.png" for number in range(24)]
    rows = [f"{name},{'ab'[i % 2]},P{i // 2},S{i % 3},{40 + i},{i * 7},{'xy'[i % 2]}" for i, name in enumerate(images)]
    table = read(tmp_path, "image,label,patient,Hospital,age at smear,cell number,note", rows, images)
    found = roles(table)
    assert [name for name, role in found.items() if role == "attribute"] == ["Hospital", "age at smear", "note"]
    assert found["cell number"] is None
