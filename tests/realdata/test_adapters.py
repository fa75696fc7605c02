"""The adapters on archives of real images."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from cytopipe.adapters.registry import ADAPTERS
from cytopipe.adapters.sipakmed import read_contour
from cytopipe.core.io.archives import extract_archive
from cytopipe.core.params import SPLITS, Dataset, Split
from cytopipe.data.imaging.decode import read_rgb
from cytopipe.data.imaging.masks import read_mask
from cytopipe.data.organize import organize
from cytopipe.data.splits import assign_splits
from cytopipe.errors import CytopipeError
from samples import true_mask

pytestmark = pytest.mark.realdata

Unpacked = Callable[[str], Path]
FIELD = Path("im_Superficial-Intermediate/im_Superficial-Intermediate")
# Adapter, images of each class in its order, groups, images of each published split.
READ: dict[str, tuple[str, list[int], int, dict[str | None, int]]] = {
    "hep2_icpr2014.zip": (
        *("hep2", [2494, 2831, 2598, 2741, 2208, 724], 88),
        {"train": 8701, "val": 2175, "test": 2720},
    ),
    "nlm_malaria_50px_grey.zip": ("malaria", [11716, 10968], 171, {None: 22684}),
    "herlev_smear2005.zip": ("herlev", [64, 58, 83, 151, 132, 150, 100], 259, {None: 738}),
    "lbc_bethesda_db4.zip": ("bethesda", [600, 113, 163, 74], 61, {"train": 950}),
    "wbc_dataset1.zip": ("wbc", [176, 53, 48, 22, 1], 300, {None: 300}),
}


@pytest.fixture(scope="module")
def unpacked(datasets_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    """Unpack an archive once; skip where it is absent."""
    done: dict[str, Path] = {}

    def unpack(name: str) -> Path:
        archive = datasets_folder / name
        if not archive.is_file():
            pytest.skip(f"no {archive}")
        if name not in done:
            done[name] = tmp_path_factory.mktemp("raw")
            extract_archive(archive, done[name])
        return done[name]

    return unpack


def test_contours_of_sipakmed_fill_to_the_reference_mask(unpacked: Unpacked) -> None:
    raw = unpacked("sipakmed_fixture.zip")
    (sample,) = ADAPTERS["sipakmed"].read(raw, {"images": "fields"}, "k")
    assert (sample.id, sample.label, sample.group) == (
        "Superficial-Intermediate_007",
        "Superficial-Intermediate",
        "Superficial-Intermediate_007",
    )
    image, conversion = read_rgb(sample.image)
    assert (image.shape, conversion) == ((1536, 2048, 3), None)
    assert sample.mask is not None
    drawn = np.array([0, 51, 170], np.uint8)[sample.mask(image.shape[:2])]
    reference = np.asarray(Image.open(raw / "reference_mask.png"))  # three equal channels
    assert len(list((raw / FIELD).glob("007_cyt*.dat"))) == 16
    assert np.count_nonzero(drawn[..., None] != reference) == 0


def test_opencv_would_fill_the_same_contours_otherwise(unpacked: Unpacked) -> None:
    raw = unpacked("sipakmed_fixture.zip")
    drawn = np.zeros((1536, 2048), np.uint8)
    for part, value in (("cyt", 51), ("nuc", 170)):
        for path in sorted((raw / FIELD).glob(f"007_{part}*.dat")):
            cv2.fillPoly(drawn, [np.round(read_contour(path)).astype(np.int32)], value)
    assert np.count_nonzero(drawn[..., None] != np.asarray(Image.open(raw / "reference_mask.png"))) > 300


def test_labels_of_wbc_are_read_as_published(unpacked: Unpacked) -> None:
    raw = unpacked("wbc_dataset1.zip")
    assert b"\r\n" in next(raw.rglob("*.csv")).read_bytes()
    samples = ADAPTERS["wbc"].read(raw, {}, "k")
    assert [sample.id for sample in samples] == [f"{number:03d}" for number in range(1, 301)]
    counts = Counter(sample.label for sample in samples)
    assert [counts[label] for label in ADAPTERS["wbc"].classes] == [176, 53, 48, 22, 1]


def test_wbc_is_organized_whole(unpacked: Unpacked, tmp_path: Path) -> None:
    def passed(items: Iterable[Any], total: int) -> Iterable[Any]:
        return items

    raw = unpacked("wbc_dataset1.zip")
    parameters = Dataset.model_validate(
        {
            "adapter": "wbc",
            "source": {"kind": "archive", "path": "wbc_dataset1.zip"},
            "options": {},
            "exclude_classes": ["basophil"],
            "bad_images": "error",
            "split": {"kind": "grouped", "val": 0.15, "test": 0.25},
            "segmenter": "unet",
            "image_size": 96,
        }
    )
    folders = {name: tmp_path / name for name in (*SPLITS, "masks")}
    for folder in folders.values():
        folder.mkdir()
    rows, summary = organize("wbc", parameters, raw, folders, passed)
    assert summary["images"] == summary["masks"] == 299
    assert summary["classes"] == ["neutrophil", "lymphocyte", "monocyte", "eosinophil"]
    totals = [sum(summary["counts"][split][label] for split in SPLITS) for label in summary["classes"]]
    assert totals == [176, 53, 48, 22]
    for label, total in zip(summary["classes"], totals, strict=True):
        assert abs(summary["counts"]["test"][label] - 0.25 * total) <= 1
    for row in rows:
        publishers = np.asarray(Image.open(raw / "segmentation_WBC" / "Dataset 1" / f"{row.id}.png"))
        assert set(np.unique(publishers)) <= {0, 128, 255}
        assert np.array_equal(read_mask(tmp_path / row.mask_path), np.digitize(publishers, [128, 255]))


@pytest.mark.parametrize("archive", READ)
def test_counts_groups_and_splits_are_the_publishers(archive: str, unpacked: Unpacked) -> None:
    name, expected_counts, groups, splits = READ[archive]
    samples = ADAPTERS[name].read(unpacked(archive), {}, "k")
    counts = Counter(sample.label for sample in samples)
    assert [counts[label] for label in ADAPTERS[name].classes] == expected_counts
    assert len({sample.group for sample in samples}) == groups
    assert Counter(sample.split for sample in samples) == splits


@pytest.mark.parametrize("archive", READ)
def test_one_walk_finds_the_images_and_none_is_opened(
    archive: str, unpacked: Unpacked, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, walked = unpacked(archive), Counter[str]()
    scan = os.scandir

    def counted(path: Any) -> Any:
        walked[str(path)] += 1
        return scan(path)

    def refuse(path: Any, *arguments: Any, **options: Any) -> None:
        raise AssertionError(f"{path} is opened")

    monkeypatch.setattr(os, "scandir", counted)
    monkeypatch.setattr(Image, "open", refuse)
    samples = ADAPTERS[READ[archive][0]].read(raw, {}, "k")
    assert {str(sample.image.parent) for sample in samples} <= set(walked)
    assert set(walked.values()) == {1}


def test_classes_of_hep2_run_through_the_ids_in_the_papers_order(unpacked: Unpacked) -> None:
    samples = ADAPTERS["hep2"].read(unpacked("hep2_icpr2014.zip"), {}, "k")
    assert [sample.id for sample in samples] == [f"{number:05d}" for number in range(1, 13597)]
    changes = [one.label for one, other in pairwise(samples) if one.label != other.label] + [samples[-1].label]
    assert tuple(changes) == ADAPTERS["hep2"].classes
    sizes = Counter(sample.group for sample in samples)
    assert set(sizes.values()) == {160, 94, 111, 38, 21, 128, 84}  # whole blocks, and the last of each class


def test_images_of_hep2_that_stand_twice_are_where_the_adapter_says(unpacked: Unpacked) -> None:
    samples = {int(sample.id): sample for sample in ADAPTERS["hep2"].read(unpacked("hep2_icpr2014.zip"), {}, "k")}
    pairs = [(samples[number], samples[number + 194]) for number in range(11005, 11199)]
    pixels = ([np.asarray(Image.open(sample.image)) for sample in pair] for pair in pairs)
    assert all(np.array_equal(one, other) for one, other in pixels)
    assert sum(one.split != other.split for one, other in pairs) == 104


def test_published_groups_of_hep2_are_torn_and_reported(unpacked: Unpacked, caplog: pytest.LogCaptureFixture) -> None:
    samples = ADAPTERS["hep2"].read(unpacked("hep2_icpr2014.zip"), {}, "k")
    columns = [sample.label for sample in samples], [sample.group for sample in samples]
    published = [sample.split for sample in samples]
    with pytest.raises(CytopipeError, match=r"88 groups .* lie in several splits"):
        assign_splits(*columns, published, Split(kind="published"), "x")
    assert assign_splits(*columns, published, Split(kind="published", torn_groups="report"), "x") == published
    assert "of 88 groups (joined where they share identical images) 88 lie in several splits" in caplog.text


def test_patients_of_malaria_are_one_fewer_than_slides(unpacked: Unpacked) -> None:
    samples = ADAPTERS["malaria"].read(unpacked("nlm_malaria_50px_grey.zip"), {"group": "patient"}, "k")
    assert len({sample.group for sample in samples}) == 170
    twice = {sample.id.split("_IMG")[0] for sample in samples if sample.group == "C47"}
    assert twice == {"C47P8thin_Original_Motic", "C47P8thinOriginalOlympusCX21"}


def test_masks_of_herlev_hold_all_parts_at_the_images_size(unpacked: Unpacked) -> None:
    samples = ADAPTERS["herlev"].read(unpacked("herlev_smear2005.zip"), {"classes": 2}, "k")
    assert Counter(sample.label for sample in samples) == {"normal": 205, "abnormal": 533}
    for sample in samples:
        height, width = read_rgb(sample.image)[0].shape[:2]
        mask = true_mask(sample, (height, width))
        assert mask.shape == (height, width)
        assert np.unique(mask).tolist() == [0, 1, 2]


def test_some_groups_of_herlev_span_classes(unpacked: Unpacked) -> None:
    labels = defaultdict(set)
    for sample in ADAPTERS["herlev"].read(unpacked("herlev_smear2005.zip"), {}, "k"):
        labels[sample.group].add(sample.label)
    assert sum(len(found) > 1 for found in labels.values()) == 35


def test_copies_that_the_republisher_of_lbc_made_are_one_group(unpacked: Unpacked) -> None:
    samples = ADAPTERS["bethesda"].read(unpacked("lbc_bethesda_db4.zip"), {}, "k")
    by_class = {label: {sample.group for sample in samples if sample.label == label} for label in ("HSIL", "NILM")}
    assert by_class["HSIL"] == {f"HSIL_{number}" for number in range(1, 11)}
    assert len(by_class["NILM"]) == 43
    assert sum(sample.group == "HSIL_1" for sample in samples) == 15


def test_lbc_without_its_validation_images_has_no_published_split(unpacked: Unpacked) -> None:
    for option, absent in (("val", "no val and no test"), ("test", "no test")):
        samples = ADAPTERS["bethesda"].read(unpacked("lbc_bethesda_db4.zip"), {"validation": option}, "k")
        labels, groups, published = zip(*((s.label, s.group, s.split) for s in samples), strict=True)
        with pytest.raises(CytopipeError, match=f"x: the publisher's split has {absent} images"):
            assign_splits(labels, groups, published, Split(kind="published"), "x")


ARCHIVES = {
    "sipakmed_fixture.zip": ("sipakmed", FIELD.as_posix()),
    "wbc_dataset1.zip": ("wbc", "segmentation_WBC/Class Labels of Dataset 1.csv"),
    "hep2_icpr2014.zip": ("hep2", "hep2/gt_training.csv"),
    "nlm_malaria_50px_grey.zip": ("malaria", "cell_images/Parasitized"),
    "herlev_smear2005.zip": ("herlev", "smear2005/New database pictures"),
    "lbc_bethesda_db4.zip": ("bethesda", "DB_4/train"),
}


@pytest.mark.parametrize("archive", ARCHIVES)
@pytest.mark.parametrize("name", sorted(set(ADAPTERS) - {"folder", "annotated"}))
def test_the_archive_of_another_dataset_is_told_apart(name: str, archive: str, unpacked: Unpacked) -> None:
    own, found = ARCHIVES[archive]
    if name == own:
        return
    with pytest.raises(CytopipeError) as error:
        ADAPTERS[name].read(unpacked(archive), {}, "k")
    assert f"expected {ADAPTERS[name].title} (" in error.value.what
    assert f"found {found}" in error.value.what
    assert ADAPTERS[name].home in str(error.value.hint)
