"""Random images, trees, tables and archives: each is read, or refused by an error that users see; nothing is lost.

The draws are the same in every run. A traceback, a hang or a file that is neither used nor counted is a failure.
"""

from __future__ import annotations

import io
import logging
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import py7zr
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from cytopipe.adapters.registry import ADAPTERS
from cytopipe.core.io.archives import extract_archive
from cytopipe.core.io.folders import list_files
from cytopipe.core.params import SPLITS, Dataset
from cytopipe.data.imaging.decode import read_rgb, read_values
from cytopipe.data.organize import organize
from cytopipe.errors import CytopipeError
from cytopipe.models.inference.image_paths import list_images
from cytopipe.sources.fetch import fetch
from files_of_people import cell

DRAWS = {"images": 6000, "tables": 2000, "trees": 1400, "archives": 600}
pytestmark = [
    pytest.mark.timeout(900),  # a hang; all draws together take a minute or two
    pytest.mark.filterwarnings("ignore"),  # PIL warns of damaged headers
]


def draws(kind: str) -> settings:
    """The same draws in every run, as many as this kind has."""
    checks = list(HealthCheck)
    return settings(
        max_examples=DRAWS[kind], derandomize=True, database=None, deadline=None, suppress_health_check=checks
    )


def test_there_are_ten_thousand_draws() -> None:
    assert sum(DRAWS.values()) >= 10_000


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for all draws; nothing is logged meanwhile."""
    logging.disable(logging.CRITICAL)
    yield tmp_path_factory.mktemp("fuzz")
    logging.disable(logging.NOTSET)


# Images

MODES = ("RGB", "L", "1", "P", "RGBA", "LA", "CMYK", "I;16", "I", "F", "YCbCr", "LAB", "HSV")
KINDS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000", "MPO", "TGA", "ICO", "DIB")
SUFFIXES = (".png", ".jpg", ".tif", ".gif", ".bmp", ".webp", ".jp2", ".pgm", ".PNG", "")


@cache
def encoded() -> tuple[bytes, ...]:
    """Small images of every mode in every format that can hold it, some of several pictures."""
    found = []
    pixels = Image.fromarray(cell(1, side=12))
    for kind in KINDS:
        for mode in MODES:
            for count in (1, 3):
                buffer = io.BytesIO()
                sizes = [(12 // part, 9 // part) if kind == "TIFF" else (12, 9) for part in range(1, count + 1)]
                pages = [_in_mode(pixels.resize(size), mode) for size in sizes]
                more = {"save_all": True, "append_images": pages[1:]} if count > 1 else {}
                try:
                    pages[0].save(buffer, format=kind, **more)
                except (OSError, ValueError, KeyError, RuntimeError):
                    continue  # this format does not hold this mode
                found.append(buffer.getvalue())
    return tuple(dict.fromkeys(found))


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode in ("I;16", "I", "F"):
        values = np.asarray(image.convert("L"), np.float32) * 200
        return Image.fromarray(values.astype({"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]))
    if mode == "LAB":
        return Image.new("LAB", image.size)
    return image.convert(mode)


def damaged(data: bytes, cut: int, flips: Iterable[tuple[int, int]], before: bytes) -> bytes:
    """Some bytes cut off at the end, changed at places, or put in front."""
    changed = bytearray(data[: len(data) - cut % (len(data) + 1)] if cut else data)
    for place, value in flips:
        if changed:
            changed[place % len(changed)] = value
    return before + bytes(changed)


FLIPS = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=4)
CUTS = st.one_of(st.just(0), st.integers(1, 3000))
BEFORE = st.sampled_from([b"", b"", b"", b"\xef\xbb\xbf", b"\n", b"GIF89a"])


@draws("images")
@given(which=st.integers(0, 10_000), cut=CUTS, flips=FLIPS, before=BEFORE, suffix=st.sampled_from(SUFFIXES))
def test_images(which: int, cut: int, flips: list[tuple[int, int]], before: bytes, suffix: str, here: Path) -> None:
    path = here / f"image{suffix}"
    path.write_bytes(damaged(encoded()[which % len(encoded())], cut, flips, before))
    try:
        pixels, _ = read_rgb(path)
        assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.size
    except CytopipeError as error:
        assert_is_a_message(error)
    try:
        assert read_values(path).ndim == 2
    except CytopipeError as error:
        assert_is_a_message(error)
    path.unlink()


def assert_is_a_message(error: CytopipeError) -> None:
    """An error says something, and can be printed."""
    assert len(error.what) > 5
    assert str(error).encode()


# Trees

FOLDERS = (
    *("a", "b", "A", "train", "test", "images", "masks", ".hidden", "@eaDir", "__MACOSX", "thumbs", "über", "x" * 120),
    *("Training_set", "fold1", "P1", "p1", "细胞", "a b", "a_b", "e\u0301", "é", ".ipynb_checkpoints", "$RECYCLE.BIN"),
)
STEMS = (
    "c1",
    "C1",
    "c2",
    "c1 (1)",
    "c1_mask",
    "._c1",
    "Thumbs",
    "~$c",
    "n" * 200,
    "e\u0301",
    "é",
    "0",
    "-",
    "#c",
    "%41",
)
ENDINGS = (".png", ".PNG", ".jpg", ".tif", ".gif", ".db", ".csv", ".zip", ".part", ".xml", ".heic", "", "~", ".png.txt")
PATHS = st.tuples(st.lists(st.sampled_from(FOLDERS), max_size=3), st.sampled_from(STEMS), st.sampled_from(ENDINGS))
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"images": "images"},
    {"masks": "masks"},
    {"csv": "c1.csv", "unlisted": True},
    {"group_pattern": "([^/]+)"},
    {"classes": ["a", "b"]},
)


@cache
def contents() -> tuple[bytes, ...]:
    """What a file may hold."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr("a/1.png", encoded()[0])
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    images = tuple(_png(seed) for seed in range(40))
    return (*images, *encoded()[:30], b"", b"words", b"image,label\nc1,a\nc2,b\n", pointer, buffer.getvalue())


@cache
def _png(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(cell(seed, side=8)).save(buffer, "PNG")
    return buffer.getvalue()


@draws("trees")
@given(
    files=st.lists(st.tuples(PATHS, st.integers(0, 1000)), max_size=6),
    plain=st.booleans(),
    options=st.sampled_from(OPTIONS),
    bad_images=st.sampled_from(["error", "skip"]),
    kind=st.sampled_from(["random", "grouped", "published"]),
)
def test_trees(
    files: list[tuple[tuple[list[str], str, str], int]],
    plain: bool,
    options: dict[str, Any],
    bad_images: str,
    kind: str,
    here: Path,
) -> None:
    source, raw, out = (here / name for name in ("source", "raw", "organized"))
    for folder in (source, raw, out):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    base = [((["images", label] if "images" in options else [label], f"p{n}", ".png"), n) for n in range(6)
            for label in "ab"[n % 2]] if plain else []  # fmt: skip
    for (folders, stem, ending), which in (*base, *files):
        write_file(source.joinpath(*folders, stem + ending), contents()[which % len(contents())])
    split = {"kind": kind, "val": 0.3, "test": 0.3, "seed": 0}
    try:
        take(source, raw, out, {"options": options, "bad_images": bad_images, "split": split})
    except CytopipeError as error:
        assert_is_a_message(error)
    try:
        assert {Path(name).is_file() for name in list_images([str(source)])} == {True}
    except CytopipeError as error:
        assert_is_a_message(error)


def write_file(path: Path, data: bytes) -> None:
    """Write a file unless a file or a folder is in its place."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        pass


def take(source: Path, raw: Path, out: Path, changes: dict[str, Any]) -> None:
    """Take a folder through `download` and `organize`; all its files must be accounted for."""
    dataset = Dataset.model_validate(
        {
            "adapter": "folder",
            "source": {"kind": "archive", "path": str(source)},
            "exclude_classes": [],
            "segmenter": "otsu",
            "image_size": 32,
        }
        | changes
    )
    folders = {name: out / name for name in (*SPLITS, "masks")}
    for folder in folders.values():
        folder.mkdir()
    left_behind = fetch(dataset.source, raw, dataset="mine", cache=out)
    rows, summary = organize("mine", dataset, raw, folders, lambda items, total: items, left_behind=left_behind)
    files = summary["files"]
    counted = sum(entry["count"] for entry in files["left_out"].values())
    assert files["images"] + files["masks"] + files["tables"] + counted == len(list_files(source))
    assert files["images"] == len(rows) == len({row.id for row in rows})
    stored = [path for split in SPLITS for path in list_files(folders[split])]
    assert len(stored) == len(rows)


# Tables

CELLS = st.sampled_from(
    ["c1", "c1.png", "c2.png", "c3", "images/c4.png", "images\\c5.png", "a", "b", "A", " a ", "", "P1", "p1", "train",
     "test", "nan", "1", "1.0", "01", '"', '""', '"a', "a,b", "a;b", "\x00", "é", "e\u0301", "=1+1", "细胞", "sep=;"]
)  # fmt: skip
HEADERS = st.sampled_from(
    [
        ["image", "label"],
        ["image", "label", "group"],
        ["Image", "Label"],
        ["image"],
        ["image", "image"],
        [],
        ["c1", "a"],
    ]
)
TABLE_OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"unlisted": True},
    {"group": "group", "unlisted": True},
    {"split": "group", "unlisted": True},
    {"mask": "group", "unlisted": True},
    {"image": "c1", "label": "a", "unlisted": True},
)


@pytest.fixture(scope="module")
def images_for_tables(here: Path) -> Path:
    """Six images for tables to name."""
    for number in range(1, 7):
        write_file(here / f"tables/images/c{number}.png", _png(number))
    return here / "tables"


@draws("tables")
@given(
    header=HEADERS,
    rows=st.lists(st.lists(CELLS, max_size=4), max_size=7),
    form=st.tuples(
        st.sampled_from([",", ";", "\t", "|"]),
        st.sampled_from(["\n", "\r\n", "\r"]),
        st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252", "gbk"]),
    ),
    cut=st.one_of(st.just(0), st.just(0), st.integers(1, 40)),
    options=st.sampled_from(TABLE_OPTIONS),
)
def test_tables(
    header: list[str],
    rows: list[list[str]],
    form: tuple[str, str, str],
    cut: int,
    options: dict[str, Any],
    images_for_tables: Path,
) -> None:
    separator, end, encoding = form
    text = end.join(separator.join(row) for row in (header, *rows))
    data = text.encode(encoding, errors="replace")
    (images_for_tables / "labels.csv").write_bytes(data[: len(data) - cut] if cut else data)
    everything = {"csv": "labels.csv", "images": "images", **options}
    try:
        samples = ADAPTERS["folder"].read(images_for_tables, everything, "options")
    except CytopipeError as error:
        assert_is_a_message(error)
    else:
        assert len({sample.image for sample in samples}) == len(samples) > 0
        assert all(sample.label and sample.image.is_file() for sample in samples)


# Archives


def _zip(method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as opened:
        for seed in range(3):
            opened.writestr(f"ab/{'é'[: seed % 2]}{seed}.png", _png(seed))
    return buffer.getvalue()


def _tar(mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as opened:  # type: ignore[call-overload]  # mode is a parameter
        for seed in range(3):
            member = tarfile.TarInfo(f"ab/{seed}.png")
            member.size = len(_png(seed))
            opened.addfile(member, io.BytesIO(_png(seed)))
    return buffer.getvalue()


def _seven_zip() -> bytes:
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w") as opened:
        for seed in range(3):
            opened.writestr(_png(seed), f"ab/{seed}.png")
    return buffer.getvalue()


@cache
def archives() -> tuple[bytes, ...]:
    """Small archives of every kind."""
    makers: list[Callable[[], bytes]] = [
        *(lambda method=method: _zip(method) for method in (0, 8, 12, 14)),
        *(lambda mode=mode: _tar(mode) for mode in ("w", "w:gz", "w:xz")),
        _seven_zip,
    ]
    return tuple(make() for make in makers)


@draws("archives")
@given(which=st.integers(0, 100), cut=CUTS, flips=FLIPS, names=st.sampled_from([None, None, "gbk", "utf-8"]))
def test_archives(which: int, cut: int, flips: list[tuple[int, int]], names: str | None, here: Path) -> None:
    target = here / "unpacked"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    (here / "archive").write_bytes(damaged(archives()[which % len(archives())], cut, flips, b""))
    try:
        left_out = extract_archive(here / "archive", target, names=names, max_bytes=10_000_000)
        assert len(list_files(target)) + left_out.total <= 3
    except CytopipeError as error:
        assert_is_a_message(error)
