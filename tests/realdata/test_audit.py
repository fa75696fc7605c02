"""The audit of real smears whose classes were stained and photographed separately, some of them augmented."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from cytopipe.audit.audit import AuditedDataset, audit
from cytopipe.core.io.archives import extract_archive
from cytopipe.core.params import SPLITS, Dataset
from cytopipe.data.imaging.decode import read_png
from cytopipe.data.manifest import write_manifest
from cytopipe.data.organize import organize
from cytopipe.data.tensors import ArrayWriter, make_item
from cytopipe.models.architectures.otsu import otsu_threshold
from cytopipe.results.audit import Finding

pytestmark = pytest.mark.realdata

ARCHIVE = "lbc_bethesda_db4.zip"
SIDE = 64
Audited = Callable[[str], dict[str, Finding]]


@pytest.fixture(scope="module")
def audited(datasets_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Audited:
    """Run a quick audit of the dataset with a kind of split and Otsu masks; returns the findings by check."""
    archive = datasets_folder / ARCHIVE
    if not archive.is_file():
        pytest.skip(f"no {archive}")
    raw = tmp_path_factory.mktemp("raw")
    extract_archive(archive, raw)

    def run(split: str) -> dict[str, Finding]:
        folder, tensors, pictures = (tmp_path_factory.mktemp(name) for name in ("organized", "tensors", "pictures"))
        values = {
            "adapter": "bethesda",
            "source": {"kind": "archive", "path": ARCHIVE},
            "options": {},
            "exclude_classes": [],
            "bad_images": "error",
            "split": {"kind": split, "val": 0.2, "test": 0.2, "seed": 0},
            "segmenter": "otsu",
            "image_size": SIDE,
        }
        folders = {name: folder / name for name in (*SPLITS, "masks")}
        for made in folders.values():
            made.mkdir()
        rows, _ = organize("bethesda", Dataset.model_validate(values), raw, folders, lambda items, total: items)
        for target in (folder, tensors):
            write_manifest(target / "manifest.csv", rows)
        for side in SPLITS:
            members = [row for row in rows if row.split == side]
            with ArrayWriter(tensors / f"{side}.npy", len(members), (SIDE, SIDE, 5)) as writer:
                for row in members:
                    image = read_png(folder / row.path)
                    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
                    writer.append(make_item(image, (grey <= otsu_threshold(grey)).astype(np.uint8), SIDE))
        subject = AuditedDataset.load("bethesda", folder, tensors, raw)
        result = audit(subject, "quick", pictures, lambda items, total: items)
        return {finding.check: finding for finding in result.findings}

    return run


def number(finding: Finding, name: str) -> float:
    """A number of a finding, which must be defined."""
    value = finding.numbers[name]
    assert value is not None
    return value


def test_the_background_gives_the_class_away(audited: Audited) -> None:
    findings = audited("grouped")
    assert findings["background_only"].verdict == "fail"
    background = findings["background_only"]
    assert number(background, "background_low") > number(background, "background_chance") + 0.2
    assert findings["low_frequency_colour"].verdict in ("warning", "fail")
    assert findings["image_statistics"].verdict in ("warning", "fail")
    assert "brightness" in findings["image_statistics"].title
    for check in ("byte_duplicates", "near_duplicates", "groups", "label_permutation"):
        assert findings[check].verdict == "ok", check
    assert number(findings["near_duplicates"], "within_groups") >= 1  # one field, photographed twice


def test_a_split_by_image_is_caught(audited: Audited) -> None:
    findings = audited("random")
    assert findings["groups"].verdict == "fail"
    assert number(findings["groups"], "across_splits") > 50
    assert findings["label_permutation"].verdict == "fail"
    assert number(findings["label_permutation"], "nearest_accuracy") > 0.4
