"""Files of a stranger's folder: each is used, or left out for a reason that is counted and said."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from cytopipe.adapters.registry import ADAPTERS
from cytopipe.core.io.folders import list_files
from cytopipe.core.params import PhantomSource
from cytopipe.data.imaging.decode import read_rgb
from cytopipe.models.inference.image_paths import list_images
from cytopipe.sources.phantom import draw_phantoms
from files_of_people import cell, cell_mask, names, save, table, tree
from organized import Outcome, organized

TWO = {"abnormal": 8, "normal": 8}
ROOT = Path(__file__).parents[2]
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
Organize = Callable[..., Outcome]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An ImageFolder of two classes with 8 images each."""
    return tree(tmp_path / "cells", names(TWO))


@pytest.fixture
def take(folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Organize:
    """Organize the folder, or another."""

    def run(source: Path = folder, **changes: Any) -> Outcome:
        return organized(source, tmp_path / "work", caplog, **changes)

    return run


def reasons(found: Outcome) -> dict[str, int]:
    """Number of files that were left out, by reason."""
    return {reason: entry["count"] for reason, entry in found.summary["files"]["left_out"].items()}


def assert_all_are_accounted_for(found: Outcome, source: Path) -> None:
    """Each file of the source was used or is counted."""
    files = found.summary["files"]
    used = files["images"] + files["masks"] + files["tables"]
    assert used + sum(reasons(found).values()) == len(list_files(source))
    for entry in files["left_out"].values():
        assert (source / entry["first"]).is_file()


MAC, WINDOWS, DRIVE = "litter of macOS", "litter of Windows", "litter of a network drive"
HIDDEN = "hidden files and folders (their names begin with a dot)"
EDITORS = "locks and backups of editors"
UNFINISHED = "downloads that were not finished"
CLOUD = "files that are in a cloud alone, not on this computer"
UNUSED = "images outside the layout that is read, or without a row in the table"
NO_SUFFIX = "images whose names do not end like an image's: rename them to read them"
# A file that holds an image like any other; its name alone says what it is. Below, the reason for which it is left out.
LITTER = {
    "__MACOSX/normal/._c008.png": MAC,
    "normal/._c008.png": MAC,
    "normal/.DS_Store": MAC,
    ".Spotlight-V100/x.png": MAC,
    ".Trashes/501/c.png": MAC,
    ".fseventsd/0001.png": MAC,
    "normal/Icon\r": MAC,
    "normal/Thumbs.db": WINDOWS,
    "normal/THUMBS.DB": WINDOWS,
    "desktop.ini": WINDOWS,
    "$RECYCLE.BIN/S-1/$R1.png": WINDOWS,
    "System Volume Information/x.png": WINDOWS,
    "normal/@eaDir/c008.png/SYNOPHOTO_THUMB_M.jpg": DRIVE,
    "normal/SYNOPHOTO_THUMB_XL.jpg": DRIVE,
    "#recycle/c.png": DRIVE,
    "normal/.@__thumb/s800c008.png": DRIVE,
    "lost+found/c.png": DRIVE,
    "normal/.ipynb_checkpoints/c008-checkpoint.png": "litter of Jupyter",
    ".git/objects/c.png": "files of git",
    ".gitattributes": "files of git",
    ".cache/c.png": HIDDEN,
    "normal/.hidden.png": HIDDEN,
    "normal/~$labels.xlsx": EDITORS,
    "normal/c008.png~": EDITORS,
    "normal/c008.png.bak": EDITORS,
    "normal/.~lock.labels.csv#": EDITORS,
    "normal/c900.png.crdownload": UNFINISHED,
    "normal/c900.png.part": UNFINISHED,
    "normal/.c900.png.icloud": CLOUD,
    "normal/thumbnails/c008.jpg": "thumbnails of images that are there themselves",
    "normal/c900.xml": "files ending in .xml",
    "notes.txt": "files ending in .txt",
    "labels.csv": "files ending in .csv",
    "LICENSE": "other files",
    "slide.svs": "files of a format that is not read (.svs)",
    "normal/c900.HEIC": "files of a format that is not read (.heic)",
    "more.zip": "archives inside the source: unpack them to read them",
    "more.7z.001": "archives inside the source: unpack them to read them",
}
IMAGES_INSIDE = frozenset({"LICENSE", "normal/c900.xml", "notes.txt", "labels.csv"})  # would be known by their content


@pytest.mark.parametrize(("name", "reason"), LITTER.items())
def test_litter_is_left_out_counted_and_said(name: str, reason: str, folder: Path, take: Organize) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name in IMAGES_INSIDE:
        path.write_text("some words")
    else:
        shutil.copy(save(folder.parent / "other.png", cell(99)), path)
    found = take()
    assert (found.refusal, found.classes) == ("", TWO)
    assert found.summary["files"]["left_out"] == {reason: {"count": 1, "first": name}}
    assert f"1 x {reason} (first: {name})" in found.log
    assert_all_are_accounted_for(found, folder)
    if not name.startswith(("normal/thumbnails", "labels.csv")):
        listed = list_images([str(folder)])
        assert len(listed) == 16  # `predict` and `screen` take the same


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("normal/c900.png.part", "WARNING"),
        ("normal/.c900.png.icloud", "WARNING"),
        ("slide.svs", "WARNING"),
        ("more.zip", "WARNING"),
        ("notes.txt", "INFO"),
        ("normal/.DS_Store", "INFO"),
    ],
)
def test_what_may_be_missed_is_a_warning(
    name: str, level: str, folder: Path, take: Organize, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / name).write_text("some words")
    take()
    assert {record.levelname for record in caplog.records if "left out" in record.message} == {level}


@pytest.mark.parametrize("name", ["thumbnails/c900.png", "thumbs/c900.png"])
def test_a_folder_of_thumbnails_of_nothing_is_a_folder(name: str, folder: Path, take: Organize) -> None:
    save(folder / name, cell(900))
    for seed in range(901, 908):
        save(folder / name.replace("900", str(seed)), cell(seed))
    assert take().classes == TWO | {Path(name).parent.name: 8}


def test_copies_of_a_synchronising_program_stay_together_and_other_versions_are_said(
    folder: Path, take: Organize
) -> None:
    shutil.copy(folder / "normal/c008.png", folder / "normal/c008 (1).png")
    save(folder / "normal/c009 (Anna's conflicted copy 2024-05-01).png", cell(77))
    found = take()
    assert found.classes == TWO | {"normal": 10}
    assert [entry["ids"] for entry in found.summary["copies"]] == [["normal__c008", "normal__c008_1_"]]
    assert "1 images are conflicting copies of a synchronising program, first c009 (Anna's" in found.log


@pytest.mark.parametrize("name", ["c900", "c900.dat", "c900.image", "c900.png.txt", "c900.001"])
def test_an_image_under_another_name_is_left_out_with_a_warning(
    name: str, folder: Path, take: Organize, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copy(save(folder.parent / "other.png", cell(99)), folder / "normal" / name)
    found = take()
    assert reasons(found) == {NO_SUFFIX: 1}
    assert found.classes == TWO
    assert "WARNING" in {record.levelname for record in caplog.records if "left out" in record.message}
    caplog.clear()
    assert len(list_images([str(folder)])) == 16
    assert f"1 x {NO_SUFFIX} (first: normal/{name})" in caplog.text


def write_mpo(path: Path, pixels: np.ndarray) -> None:
    second = Image.fromarray(pixels[::2, ::2])
    Image.fromarray(pixels).save(path, format="MPO", save_all=True, append_images=[second], quality=100)


def write_pages(path: Path, pixels: np.ndarray, *factors: int, marked: bool = False) -> None:
    full = Image.fromarray(pixels)
    pages = [full.resize((full.width // factor, full.height // factor), Image.Resampling.BOX) for factor in factors]
    if marked:
        for page, factor in zip(pages, factors, strict=True):
            page.encoderinfo = {"tiffinfo": {254: int(factor > 1)}}
    pages[0].save(path, format="TIFF", save_all=True, append_images=pages[1:], tiffinfo={254: int(factors[0] > 1)})


def write_animation(path: Path, pixels: np.ndarray, kind: str) -> None:
    more = {"lossless": True} if kind == "WEBP" else {}
    second = Image.fromarray(255 - pixels)
    Image.fromarray(pixels).save(path, format=kind, save_all=True, append_images=[second], **more)


def write_long_text(path: Path, pixels: np.ndarray) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("settings", "<microscope>" * 200_000, zip=True)
    Image.fromarray(pixels).save(path, pnginfo=text)


def plain(kind: str, **options: Any) -> Callable[[Path, np.ndarray], None]:
    return lambda path, pixels: Image.fromarray(pixels).save(path, format=kind, **options)


FIRST, FULL = "first of several pictures ({})", "full resolution of several pages (TIFF)"
# name, how it is written, the largest error of a pixel, what is said
FORMATS: list[tuple[str, Callable[[Path, np.ndarray], None], int, str | None]] = [
    ("a.jfif", plain("JPEG", quality=100), 30, None),
    ("a.jpe", plain("JPEG", quality=100), 30, None),
    ("a.JPG", plain("JPEG", quality=100), 30, None),
    ("a.gif", plain("GIF"), 60, "palette to RGB"),
    ("a.jp2", plain("JPEG2000", irreversible=False), 0, None),
    ("a.ppm", plain("PPM"), 0, None),
    ("a.pnm", plain("PPM"), 0, None),
    ("a.webp", plain("WEBP", lossless=True), 0, None),
    ("a.bmp", plain("BMP"), 0, None),
    ("a.dib", plain("DIB"), 0, None),
    ("a.apng", plain("PNG"), 0, None),
    ("png.jpg", plain("PNG"), 0, None),
    ("jpeg.png", plain("JPEG", quality=100), 30, None),
    ("mpo.jpg", write_mpo, 30, FIRST.format("MPO")),
    ("a.mpo", write_mpo, 30, FIRST.format("MPO")),
    ("animated.gif", lambda path, pixels: write_animation(path, pixels, "GIF"), 60, FIRST.format("GIF")),
    ("animated.webp", lambda path, pixels: write_animation(path, pixels, "WEBP"), 0, FIRST.format("WEBP")),
    ("animated.png", lambda path, pixels: write_animation(path, pixels, "PNG"), 0, FIRST.format("PNG")),
    ("pyramid.tif", lambda path, pixels: write_pages(path, pixels, 1, 2, 4), 0, FULL),
    ("marked.tif", lambda path, pixels: write_pages(path, pixels, 1, 2, 4, marked=True), 0, FULL),
    ("thumbnail_first.tif", lambda path, pixels: write_pages(path, pixels, 4, 1), 0, FULL),
    ("long_text.png", write_long_text, 0, None),
]


@pytest.mark.parametrize(("name", "write", "error", "said"), FORMATS, ids=[entry[0] for entry in FORMATS])
def test_formats_are_read_alike_everywhere(
    name: str,
    write: Callable[[Path, np.ndarray], None],
    error: int,
    said: str | None,
    folder: Path,
    take: Organize,
) -> None:
    pixels = cell(50, side=32)
    write(folder / "normal" / name, pixels)
    found = take()
    assert (found.refusal, found.classes) == ("", TWO | {"normal": 9})
    row = next(row for row in found.rows if row.source == f"normal/{name}")
    stored = np.asarray(Image.open(found.folder / row.path))
    assert stored.shape == pixels.shape
    assert np.abs(stored.astype(int) - pixels).max() <= error
    converted = found.summary["converted"]
    assert converted == ({} if said is None else {next(iter(converted)): 1})
    assert said is None or said in next(iter(converted))
    assert str(folder / "normal" / name) in list_images([str(folder)])
    assert np.array_equal(read_rgb(folder / "normal" / name)[0], stored)  # what `predict` reads


def test_pages_that_show_different_things_are_refused(folder: Path, take: Organize) -> None:
    pages = [Image.fromarray(np.random.default_rng(seed).integers(0, 255, (side, side), np.uint8))
             for seed, side in enumerate((32, 16))]  # fmt: skip
    pages[0].save(folder / "normal/c900.tif", save_all=True, append_images=pages[1:])
    assert "c900.tif: the file holds 2 pages" in take().refusal


def test_a_mask_of_several_pages_is_refused(tmp_path: Path, take: Organize) -> None:
    tree(tmp_path / "x", names({"images/a": 8, "images/b": 8}))
    for path in sorted((tmp_path / "x/images").rglob("*.png")):
        mask = save(tmp_path / "x/masks" / path.relative_to(tmp_path / "x/images"), cell_mask())
    pages = [Image.fromarray(cell_mask()), Image.fromarray(cell_mask()[::-1].copy() // 2)]
    pages[0].save(mask, format="TIFF", save_all=True, append_images=pages[1:])
    assert "pages" in take(tmp_path / "x", options={"images": "images", "masks": "masks"}).refusal


@pytest.mark.parametrize("bad_images", ["error", "skip"])
@pytest.mark.parametrize(("pointers", "said"), [(3, "3 of 16"), (16, "16 of 16")])
def test_pointers_of_git_lfs_are_never_passed_over(
    bad_images: str, pointers: int, said: str, folder: Path, take: Organize
) -> None:
    for path in sorted(folder.rglob("*.png"))[:pointers]:
        path.write_bytes(POINTER)
    refusal = take(bad_images=bad_images).refusal
    assert f"{said} images and tables are pointers of Git LFS" in refusal
    assert "first abnormal/c000.png" in refusal
    assert "git lfs pull" in refusal


def test_a_pointer_named_to_predict_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(POINTER)
    with pytest.raises(Exception, match=r"a\.png: this is a pointer of Git LFS, not the image\n.*git lfs pull"):
        read_rgb(tmp_path / "a.png")


def test_a_pointer_that_nobody_needs_is_counted(folder: Path, take: Organize) -> None:
    (folder / "weights.bin").write_bytes(POINTER)
    assert reasons(take()) == {"pointers of Git LFS": 1}


@pytest.mark.parametrize(
    ("changes", "expected", "images"),
    [
        ({}, {}, 24),
        ({"exclude_classes": ["other"]}, {"images of excluded classes (exclude_classes)": 8}, 16),
    ],
)
def test_excluded_classes_are_counted(
    changes: Mapping[str, Any], expected: Mapping[str, int], images: int, folder: Path, take: Organize
) -> None:
    tree(folder, names({"other": 8}, start=16), first_seed=16)
    found = take(**changes)
    assert (reasons(found), found.summary["files"]["images"]) == (expected, images)


def test_refused_images_and_their_masks_are_counted(tmp_path: Path, take: Organize) -> None:
    root = tree(tmp_path / "x", names({"images/a": 8, "images/b": 8}))
    for path in sorted((root / "images").rglob("*.png")):
        save(root / "masks" / path.relative_to(root / "images"), cell_mask())
    (root / "images/a/c000.png").write_bytes(b"\x89PNG broken")
    save(root / "masks/a/c999.png", cell_mask())
    (root / "images/a/c001.png").write_bytes(b"")
    found = take(root, options={"images": "images", "masks": "masks"}, bad_images="skip")
    assert found.summary["files"]["images"] == found.summary["files"]["masks"] == 14
    assert reasons(found) == {
        "images that cannot be used (bad_images: skip)": 2,
        "masks of images that are left out": 2,
        UNUSED: 1,
    }
    assert_all_are_accounted_for(found, root)


def test_images_without_a_row_are_counted(tmp_path: Path, take: Organize) -> None:
    files = names({"images": 18})
    root = tree(tmp_path / "x", files)
    rows = [(Path(name).name, "ab"[seed % 2]) for seed, name in enumerate(files[:16])]
    table(root / "labels.csv", [("image", "label"), *rows])
    table(root / "old.csv", [("image", "label")])
    found = take(root, options={"csv": "labels.csv", "images": "images", "unlisted": True})
    assert found.summary["files"] == {
        "images": 16,
        "masks": 0,
        "tables": 1,
        "left_out": {
            UNUSED: {"count": 2, "first": "images/c016.png"},
            "files ending in .csv": {"count": 1, "first": "old.csv"},
        },
    }


@pytest.mark.parametrize("name", sorted(name for name in ADAPTERS if ADAPTERS[name].phantoms))
def test_every_file_of_every_adapters_phantoms_is_accounted_for(name: str, tmp_path: Path, take: Organize) -> None:
    raw = tmp_path / "phantoms"
    raw.mkdir()
    phantoms = ADAPTERS[name].phantoms
    assert phantoms is not None
    source = PhantomSource(
        kind="phantom",
        layout=phantoms.layout,
        path=ROOT / f"workflow/phantoms/{phantoms.table}.yaml",
        fields_per_class=3,
        cells_per_field=2,
        scale=0.1,
    )
    draw_phantoms(source, raw, dataset=name, progress=None, workers=1)
    for extra in ("README.txt", "paper.pdf", "__MACOSX/x", "other/unknown.png", "nested.zip"):
        (raw / extra).parent.mkdir(exist_ok=True)
        (raw / extra).write_bytes(b"words")
    found = take(raw, adapter=name, split={"kind": "random", "val": 0.3, "test": 0.3, "seed": 0})
    if name == "hep2":  # its flat layout asks for a row of every image
        (raw / "other/unknown.png").unlink()
        found = take(raw, adapter=name, split={"kind": "random", "val": 0.3, "test": 0.3, "seed": 0})
    assert found.refusal == ""
    assert_all_are_accounted_for(found, raw)
    files = found.summary["files"]
    assert files["images"] == found.summary["images"]
    assert (files["masks"] > 0) == (found.summary["masks"] > 0)
    assert reasons(found)["litter of macOS"] == 1
    assert "files ending in .txt" in reasons(found)


def test_a_folder_that_cannot_be_read_is_an_error(
    folder: Path, take: Organize, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def closed(path: Any) -> Any:
        if str(path).endswith(("cells/normal", "cells/.Trashes")):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    (folder / ".Trashes").mkdir()
    monkeypatch.setattr(os, "scandir", closed)
    assert "cells/normal: the folder cannot be read (Permission denied)" in take().refusal
    with pytest.raises(Exception, match="normal: the folder cannot be read"):
        list_images([str(folder)])
    shutil.move(folder / "normal", folder / "usual")
    assert take().refusal == ""  # what the user may not read of the system's own is passed over


def test_a_file_that_cannot_be_read_is_an_error(folder: Path, take: Organize, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*paths: Any) -> None:
        raise PermissionError(13, "Permission denied", str(paths[0]))

    monkeypatch.setattr("cytopipe.core.io.folders.copy_file", closed)
    assert "cells/abnormal/c000.png: there is no permission to read or write it" in take().refusal


@pytest.mark.parametrize("name", ["normal.bak", "normal~", "normal.tmp", "x.part"])
def test_a_folder_that_ends_like_a_backup_is_a_folder(name: str, folder: Path, take: Organize) -> None:
    (folder / "normal").rename(folder / name)
    assert take().classes == {"abnormal": 8, name: 8}


def test_a_name_that_is_not_in_utf8_is_named(folder: Path, take: Organize) -> None:
    (folder / "normal/c008.png").rename(folder / os.fsdecode(b"normal/zelle_\xe4.png"))
    assert "the name 'zelle_\\xe4.png' is not in UTF-8" in take().refusal


@pytest.mark.parametrize("length", [120, 200])
def test_long_paths_get_short_ids_of_their_own(length: int, tmp_path: Path, take: Organize) -> None:
    files = names({f"{label}/{'x' * length}/{'y' * length}": 8 for label in "ab"})
    found = take(tree(tmp_path / "x", files))
    assert found.classes == {"a": 8, "b": 8}
    assert len({row.id for row in found.rows}) == 16
    assert max(len(row.id.encode()) for row in found.rows) <= 240
    assert found.sources == sorted(files)


def test_names_that_differ_only_in_case_are_files_that_do_not(tmp_path: Path, take: Organize) -> None:
    found = take(tree(tmp_path / "x", ["a/C1.png", "a/c1.png", *names({"a": 6, "b": 8}, start=2)]))
    assert found.classes == {"a": 8, "b": 8}
    assert len({row.id.lower() for row in found.rows}) == 16
    assert sum(row.id in ("a__C1", "a__c1") for row in found.rows) == 0


def test_a_source_of_litter_alone_says_so(tmp_path: Path, take: Organize) -> None:
    save(tmp_path / "x/@eaDir/a.png", cell(1))
    refusal = take(tmp_path / "x").refusal
    assert "the source holds no files but these, which are left out: 1 x litter of a network drive" in refusal


def test_a_source_of_an_archive_alone_names_it(tmp_path: Path, take: Organize) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x/cells.zip").write_bytes(b"PK\x03\x04")
    assert "unpack the archive inside the source (cells.zip) and name its folder" in take(tmp_path / "x").refusal
