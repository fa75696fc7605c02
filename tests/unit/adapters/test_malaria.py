from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from cytopipe.adapters.base import Sample
from cytopipe.adapters.registry import ADAPTERS
from cytopipe.errors import CytopipeError
from fixture_types import LayOut, SaveImage

NAME = "{slide}_IMG_20150918_144104_cell_{cell}.png"


def read(raw: Path, **options: Any) -> list[Sample]:
    return ADAPTERS["malaria"].read(raw, options, "k")


@pytest.fixture
def raw(tmp_path: Path, lay_out: LayOut) -> Path:
    return lay_out("malaria", tmp_path)


def test_the_group_is_the_slide_that_a_name_begins_with(raw: Path) -> None:
    assert [(sample.id, sample.label, sample.group, sample.split) for sample in read(raw)] == [
        ("C101P62ThinF_IMG_20150918_144104_cell_0", "Parasitized", "C101P62ThinF", None),
        ("C101P62ThinF_IMG_20150918_144104_cell_2", "Uninfected", "C101P62ThinF", None),
        ("C102P63ThinF_IMG_20150918_144104_cell_1", "Parasitized", "C102P63ThinF", None),
        ("C102P63ThinF_IMG_20150918_144104_cell_3", "Uninfected", "C102P63ThinF", None),
    ]


@pytest.mark.parametrize(
    ("slide", "group", "patient"),
    [
        ("C1_thinF", "C1_thinF", "C1"),
        ("C47P8thin_Original_Motic", "C47P8thin_Original_Motic", "C47"),
        ("C47P8thinOriginalOlympusCX21", "C47P8thinOriginalOlympusCX21", "C47"),
        ("C51AP12thinF", "C51AP12thinF", "C51"),
        ("C61P22N_ThinF", "C61P22N_ThinF", "C61"),
    ],
)
def test_slides_of_a_patient_can_be_joined(
    slide: str, group: str, patient: str, raw: Path, save_image: SaveImage
) -> None:
    save_image(raw / "cell_images/Uninfected" / NAME.format(slide=slide, cell=9))
    for option, expected in (("auto", group), ("slide", group), ("patient", patient)):
        assert {sample.group for sample in read(raw, group=option) if slide in sample.id} == {expected}


def write_mappings(raw: Path, parasitized: str, uninfected: str) -> None:
    for label, text in (("parasitized", parasitized), ("uninfected", uninfected)):
        (raw / f"patientid_cellmapping_{label}.csv").write_text(text)


ONE, TWO, THREE, FOUR = (NAME.format(slide=f"C10{1 + i % 2}P6{2 + i % 2}ThinF", cell=i) for i in range(4))


@pytest.mark.parametrize(
    ("parasitized", "uninfected"),
    [
        (f"P62,{ONE}\r\nP63,{TWO}\r\n", f"P62,{THREE}\nP63,{FOUR}"),
        (f"P62,\"['{ONE}']\"\n\nP63,\"['{TWO}', 'other.png']\"\n", f"P62,['{THREE}']\nP63,['{FOUR}','x.png']\n"),
    ],
    ids=["a file a row", "lists of files"],
)
def test_the_publishers_tables_give_the_patient(parasitized: str, uninfected: str, raw: Path) -> None:
    write_mappings(raw, parasitized, uninfected)
    assert [sample.group for sample in read(raw)] == ["P62", "P62", "P63", "P63"]
    assert {sample.group for sample in read(raw, group="slide")} == {"C101P62ThinF", "C102P63ThinF"}


@pytest.mark.parametrize(
    ("parasitized", "uninfected", "message"),
    [
        (f"P62,{ONE}\n", f"P62,{THREE}\nP63,{FOUR}\n", r"the image cell_images/Parasitized/C102.* stands in neither"),
        (f"P62,{ONE}\nP63\n", f"P62,{THREE}\n", r"parasitized\.csv:2: not a patient's id and files"),
        (f",{ONE}\n", f"P62,{THREE}\n", r"parasitized\.csv:1: not a patient's id and files"),
        (f"P62,{ONE}\n", f"P63,{ONE}\n", rf"uninfected\.csv:1: '{ONE}' is of patient 'P62' and of 'P63'"),
    ],
    ids=["no row", "no file", "no patient", "two patients"],
)
def test_faulty_tables_are_told(parasitized: str, uninfected: str, message: str, raw: Path) -> None:
    write_mappings(raw, parasitized, uninfected)
    with pytest.raises(CytopipeError, match=message):
        read(raw)


def test_one_table_of_two_is_an_error(raw: Path) -> None:
    write_mappings(raw, "", f"P62,{THREE}\nP63,{FOUR}\n")
    (raw / "patientid_cellmapping_parasitized.csv").unlink()
    with pytest.raises(CytopipeError, match=r"no patientid_cellmapping_parasitized\.csv beside .*\n.*options\.group"):
        read(raw)


def test_a_second_copy_within_the_archive_is_left_out_and_said(raw: Path, caplog: pytest.LogCaptureFixture) -> None:
    nested = raw / "cell_images/cell_images"
    for path in sorted(raw.glob("cell_images/*/*.png")):
        target = nested / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    with caplog.at_level(logging.WARNING, "cytopipe"):
        assert len(read(raw)) == 4
    assert all("cell_images/cell_images" not in str(sample.image) for sample in read(raw))
    assert "left out 'cell_images/cell_images/Parasitized', a second copy of 'cell_images/Parasitized'" in caplog.text


def test_a_nested_root_alone_is_read(raw: Path) -> None:
    (raw / "root").mkdir()
    (raw / "cell_images").rename(raw / "root/cell_images")
    assert len(read(raw)) == 4


def test_two_folders_of_a_class_that_are_no_copies_are_an_error(raw: Path, save_image: SaveImage) -> None:
    save_image(raw / "more/Uninfected" / NAME.format(slide="C103P64ThinF", cell=7))
    with pytest.raises(CytopipeError, match=r"two folders hold images of the class 'Uninfected': .*\n  -> keep one of"):
        read(raw)


def test_a_name_without_a_slide_is_told(raw: Path, save_image: SaveImage) -> None:
    save_image(raw / "cell_images/Uninfected/1.png")
    with pytest.raises(CytopipeError, match=r"the name of cell_images/Uninfected/1\.png does not begin with its slide"):
        read(raw)
