"""The adapters on archives of real images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from cytopipe.datasets import ADAPTERS
from cytopipe.datasets.sipakmed import read_contour
from cytopipe.errors import CytopipeError
from cytopipe.files import extract_archive
from cytopipe.images import read_rgb
from cytopipe.masks import read_mask
from cytopipe.organize import organize
from cytopipe.params import SPLITS, Dataset

pytestmark = pytest.mark.realdata

Unpacked = Callable[[str], Path]
FIELD = Path("im_Superficial-Intermediate/im_Superficial-Intermediate")


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
    def passed(items: Iterable[Any]) -> Iterable[Any]:
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


def test_an_image_folder_of_lbc_is_read_with_its_splits(unpacked: Unpacked) -> None:
    raw = unpacked("lbc_bethesda_db4.zip")
    options = {"images": "DB_4", "classes": ["1", "2", "3", "4"], "group_pattern": r"/([A-Za-z]+_\d+)[^/]*$"}
    samples = ADAPTERS["folder"].read(raw, options, "k")
    counts = Counter(sample.label for sample in samples)
    assert [counts[label] for label in "1234"] == [163, 113, 600, 74]
    assert {sample.split for sample in samples} == {"train"}
    augmented = {sample.group for sample in samples if sample.id.startswith("train__1__HSIL_1_")}
    assert augmented == {"HSIL_1"}  # the fifteen copies that its re-publisher made of one image


@pytest.mark.parametrize(
    ("adapter", "options", "archive", "expected", "found"),
    [
        ("wbc", {}, "sipakmed_fixture.zip", "expected white blood cells, dataset 1", f"found {FIELD}"),
        (
            "sipakmed",
            {},
            "wbc_dataset1.zip",
            "expected SIPaKMeD",
            "found segmentation_WBC/Class Labels of Dataset 1.csv",
        ),
        ("sipakmed", {"images": "fields"}, "wbc_dataset1.zip", "expected SIPaKMeD", "segmentation_WBC/Dataset 1"),
        ("sipakmed", {}, "lbc_bethesda_db4.zip", "expected SIPaKMeD", "found DB_4/train"),
    ],
)
def test_the_archive_of_another_dataset_is_told_apart(
    adapter: str, options: dict[str, Any], archive: str, expected: str, found: str, unpacked: Unpacked
) -> None:
    with pytest.raises(CytopipeError) as error:
        ADAPTERS[adapter].read(unpacked(archive), options, "k")
    assert expected in error.value.what
    assert found in error.value.what
    assert ADAPTERS[adapter].home in str(error.value.hint)
