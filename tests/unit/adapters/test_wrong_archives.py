"""Every adapter on every other dataset's layout, and on what archives, systems and users do to its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cytopipe.adapters.registry import ADAPTERS
from cytopipe.errors import CytopipeError
from fixture_types import LayOut

PUBLISHED = sorted(set(ADAPTERS) - {"folder", "annotated"})
FIRST_CLASS = {
    "hep2": "tra/Homogeneous",
    "malaria": "Parasitized",
    "herlev": "normal_columnar",
    "bethesda": "4",
    "cell_background": "cell",
}


def ids(name: str, raw: Path) -> list[tuple[str, str, str]]:
    return [(sample.id, sample.label, sample.group) for sample in ADAPTERS[name].read(raw, {}, "k")]


def test_every_published_dataset_has_a_layout_to_test(lay_out: LayOut, tmp_path: Path) -> None:
    for name in PUBLISHED:
        assert ids(name, lay_out(name, tmp_path / name))


@pytest.mark.parametrize("other", PUBLISHED)
@pytest.mark.parametrize("name", PUBLISHED)
def test_the_archive_of_another_dataset_is_told_apart(name: str, other: str, lay_out: LayOut, tmp_path: Path) -> None:
    if name == other:
        return
    raw = lay_out(other, tmp_path)
    with pytest.raises(CytopipeError) as error:
        ADAPTERS[name].read(raw, {}, "k")
    top = sorted(path.relative_to(raw).as_posix() for path in raw.glob("*/*"))[0]
    assert f"expected {ADAPTERS[name].title} (" in error.value.what
    assert f"found {top}" in error.value.what
    assert error.value.where == raw
    assert ADAPTERS[name].home in str(error.value.hint)
    assert "a copy in another layout is read by adapter: folder (`cytopipe inspect` shows how)" in str(error.value.hint)


@pytest.mark.parametrize("root", ["download (1)/data", "my_cells", "test/cell", "Dataset 1/train/images"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_root_of_the_archives_own_changes_nothing(name: str, root: str, lay_out: LayOut, tmp_path: Path) -> None:
    plain = lay_out(name, tmp_path / "a")
    lay_out(name, tmp_path / "b" / root)
    assert ids(name, tmp_path / "b") == ids(name, plain)


@pytest.mark.parametrize(("name", "folders"), [("hep2", ("tra", "val", "tes")), ("bethesda", ("train", "validation"))])
def test_splits_are_known_by_the_variants_of_their_words(
    name: str, folders: tuple[str, ...], lay_out: LayOut, tmp_path: Path
) -> None:
    raw = lay_out(name, tmp_path)
    before = {sample.id: sample.split for sample in ADAPTERS[name].read(raw, {}, "k")}
    for path in sorted(raw.glob("*/*")):
        if path.is_dir():
            path.rename(path.with_name(f"{path.name.upper()}_SET"))
    assert {sample.id: sample.split for sample in ADAPTERS[name].read(raw, {}, "k")} == before
    assert len(set(before.values())) == len(folders)


@pytest.mark.parametrize("name", PUBLISHED)
def test_litter_is_no_image(name: str, lay_out: LayOut, tmp_path: Path) -> None:
    raw = lay_out(name, tmp_path)
    before = ids(name, raw)
    images = [path for path in raw.rglob("*") if path.is_file()]
    for path in images:
        copy = raw / "__MACOSX" / path.relative_to(raw)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
        for junk in ("Thumbs.db", ".DS_Store", f"._{path.name}"):
            (path.parent / junk).write_bytes(b"junk")
    assert ids(name, raw) == before


@pytest.mark.parametrize("change", [str.upper, str.lower])
@pytest.mark.parametrize("name", PUBLISHED)
def test_folders_in_another_case_are_known(
    name: str, change: Callable[[str], str], lay_out: LayOut, tmp_path: Path
) -> None:
    raw = lay_out(name, tmp_path)
    before = ids(name, raw)
    folders = [path for path in raw.rglob("*") if path.is_dir()]
    for path in sorted(folders, key=lambda path: -len(path.parts)):
        path.rename(path.with_name(change(path.name) + "~")).rename(path.with_name(change(path.name)))
    assert ids(name, raw) == before


@pytest.mark.parametrize("name", ["malaria", "herlev", "bethesda", "cell_background"])
def test_a_misspelt_class_folder_is_missed(name: str, lay_out: LayOut, tmp_path: Path) -> None:
    raw = lay_out(name, tmp_path)
    for path in sorted(raw.rglob(FIRST_CLASS[name])):
        path.rename(path.with_name("misspelt"))
    with pytest.raises(CytopipeError, match=r"no folder of the class '\w+' beside '.*': expected .*, found "):
        ADAPTERS[name].read(raw, {}, "k")


def test_a_missing_csv_is_named(lay_out: LayOut, tmp_path: Path) -> None:
    for name in ("wbc", "hep2"):
        raw = lay_out(name, tmp_path / name)
        table = next(raw.rglob("*.csv"))
        table.unlink()
        with pytest.raises(CytopipeError, match=rf"no .*{re.escape(table.name) if name == 'hep2' else 'such CSV'}"):
            ADAPTERS[name].read(raw, {}, "k")
