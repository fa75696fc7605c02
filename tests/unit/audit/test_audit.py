"""Every kind of fault, planted in a clean dataset, is caught by its check; the clean dataset passes all of them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from cytopipe.audit.audit import audit, sample_images
from cytopipe.core.io import workers
from cytopipe.core.io.hashing import hash_tree
from cytopipe.errors import CytopipeError
from fixture_types import RunAudit, WriteDataset
from made_cells import Cell

Findings = dict[str, dict[str, Any]]
Change = Callable[[Cell], Cell]
CHECKS = (
    *("byte_duplicates", "near_duplicates", "groups", "label_permutation"),
    *("background_only", "low_frequency_colour", "image_statistics", "fixed_marks"),
)


def verdicts(findings: Findings) -> dict[str, str]:
    return {check: finding["verdict"] for check, finding in findings.items()}


def test_a_clean_dataset_passes_every_check(clean: list[Cell], audited: RunAudit) -> None:
    findings = audited(clean)
    assert verdicts(findings) == dict.fromkeys(CHECKS, "ok")
    assert all(finding["title"] and finding["text"] for finding in findings.values())
    everything = findings["background_only"]["numbers"]
    assert everything["everything_accuracy"] > 0.8  # the classes can be learnt, also by the probes
    assert everything["left_out"] == 0


def test_the_same_dataset_gives_the_same_bytes_with_any_number_of_processes(
    clean: list[Cell], written: WriteDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "PATIENCE_S", 0)
    subject = written(clean)
    results = []
    for name, count in (("a", 1), ("b", 3)):
        (tmp_path / name).mkdir()
        results.append(audit(subject, "quick", tmp_path / name, lambda items, total: items, count))
    assert results[0] == results[1]
    assert hash_tree(tmp_path / "a") == hash_tree(tmp_path / "b")


def turned(image: np.ndarray) -> np.ndarray:
    return np.rot90(image).copy()


def mirrored(image: np.ndarray) -> np.ndarray:
    return image[:, ::-1].copy()


def compressed(image: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=60)
    return np.asarray(Image.open(buffer))


def brightened(image: np.ndarray) -> np.ndarray:
    return np.clip(image * 1.1 + 5, 0, 255).astype(np.uint8)


def shifted(image: np.ndarray) -> np.ndarray:
    return np.pad(image, ((0, 0), (3, 0), (0, 0)), mode="reflect")[:, :-3]


def cropped(image: np.ndarray) -> np.ndarray:
    return image[2:, 2:].copy()


def askew(image: np.ndarray) -> np.ndarray:
    side = image.shape[0]
    change = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), 7, 1.0)
    return cv2.warpAffine(image, change, (side, side), borderMode=cv2.BORDER_REFLECT_101)


def all_of_it(image: np.ndarray) -> np.ndarray:
    return brightened(compressed(turned(mirrored(image))))


def copies(found: list[Cell], change: Callable[[np.ndarray], np.ndarray], source: str, target: str) -> list[Cell]:
    """Add changed copies of five images of one split to another split, in other groups."""
    chosen = [cell for cell in found if cell.row.split == source][::9][:5]
    hosts = [cell for cell in found if cell.row.split == target and cell.row.group != chosen[0].row.group][1::9]
    added = []
    for cell, host in zip(chosen, hosts, strict=False):
        id_ = f"copy_{cell.row.id}"
        path = f"{target}/{cell.row.label}/{id_}.png"
        row = replace(cell.row, id=id_, path=path, split=target, group=host.row.group)
        added.append(replace(cell, row=row, image=change(cell.image)))
    assert len(added) == 5
    return [*found, *added]


def test_identical_images_across_splits_are_caught(clean: list[Cell], audited: RunAudit) -> None:
    findings = audited(copies(clean, np.copy, "train", "test"))
    assert findings["byte_duplicates"]["verdict"] == "fail"
    assert findings["byte_duplicates"]["numbers"]["across_splits"] == 5
    assert all(example["splits"] == ["test", "train"] for example in findings["byte_duplicates"]["examples"])
    assert findings["near_duplicates"]["verdict"] == "ok"  # each fault is counted once


def test_identical_images_in_two_groups_of_a_split_are_a_warning(clean: list[Cell], audited: RunAudit) -> None:
    finding = audited(copies(clean, np.copy, "train", "train"))["byte_duplicates"]
    assert (finding["verdict"], finding["numbers"]["across_groups"]) == ("warning", 5)


@pytest.mark.parametrize("change", [turned, mirrored, compressed, brightened, all_of_it])
def test_changed_copies_across_splits_are_caught(
    change: Callable[[np.ndarray], np.ndarray], clean: list[Cell], audited: RunAudit
) -> None:
    findings = audited(copies(clean, change, "train", "test"))
    finding = findings["near_duplicates"]
    assert (finding["verdict"], finding["numbers"]["across_splits"]) == ("fail", 5)
    for example in finding["examples"]:
        assert example["ids"][0] == f"copy_{example['ids'][1]}"
        assert 0 <= example["distance"] <= 56
    assert findings["byte_duplicates"]["verdict"] == "ok"


@pytest.mark.parametrize("change", [shifted, cropped, askew])
def test_cells_that_were_photographed_again_are_caught(
    change: Callable[[np.ndarray], np.ndarray], clean: list[Cell], audited: RunAudit
) -> None:
    finding = audited(copies(clean, change, "train", "test"))["near_duplicates"]
    assert (finding["verdict"], finding["numbers"]["across_splits"]) == ("fail", 5)
    assert finding["numbers"]["across_groups"] == 0
    assert all(example["ids"][0] == f"copy_{example['ids'][1]}" for example in finding["examples"])
    assert finding["numbers"]["shifted_or_turned"] >= 1  # hashes find some of the crops
    assert finding["examples"][-1]["distance"] is None or change is cropped


def test_changed_copies_in_two_groups_of_a_split_are_a_warning(clean: list[Cell], audited: RunAudit) -> None:
    finding = audited(copies(clean, all_of_it, "train", "train"))["near_duplicates"]
    assert (finding["verdict"], finding["numbers"]["across_groups"]) == ("warning", 5)


def test_groups_across_splits_are_caught_and_their_labels_learnt(clean: list[Cell], audited: RunAudit) -> None:
    """In a split by image, each slide has images on both sides and is recognised by its stain."""
    stains = np.random.default_rng(1).uniform(0.5, 1, (36, 3))
    torn = []
    for number, cell in enumerate(clean):
        split = ("train", "train", "val", "test")[number % 7 % 4]
        row = replace(cell.row, split=split, path=f"{split}/{cell.row.label}/{cell.row.id}.png")
        image = (cell.image * stains[int(cell.row.group[1:])]).astype(np.uint8)
        torn.append(replace(cell, row=row, image=image))
    findings = audited(torn)
    assert (findings["groups"]["verdict"], findings["groups"]["numbers"]["across_splits"]) == ("fail", 36)
    assert all(len(set(example["splits"])) == 2 for example in findings["groups"]["examples"])
    permuted = findings["label_permutation"]
    assert permuted["verdict"] == "fail"
    assert permuted["numbers"]["nearest_accuracy"] > 0.8
    assert permuted["numbers"]["linear_accuracy"] > 0.6


def test_labels_leak_through_copies(clean: list[Cell], audited: RunAudit) -> None:
    """No group is split, but each test image is a recompressed training image."""
    train = [cell for cell in clean if cell.row.split == "train"]
    leaking = [cell for cell in clean if cell.row.split != "test"]
    for cell in train[::2]:
        row = replace(cell.row, id=f"t{cell.row.id}", split="test", group=f"t{cell.row.group}")
        row = replace(row, path=f"test/{row.label}/{row.id}.png")
        leaking.append(replace(cell, row=row, image=compressed(cell.image)))
    findings = audited(leaking)
    assert findings["groups"]["verdict"] == "ok"
    assert findings["near_duplicates"]["verdict"] == "fail"
    assert findings["label_permutation"]["verdict"] == "fail"


def with_background(cell: Cell) -> Cell:
    """Class 1 has a striped background; cells, their surroundings and mean colours do not change."""
    stripes = np.where(np.arange(cell.image.shape[1]) // 2 % 2, 14, -14)[None, :, None]
    near = cv2.dilate((cell.mask > 0).astype(np.uint8), np.ones((3, 3), np.uint8))
    striped = np.where(near[..., None] > 0, cell.image, np.clip(cell.image + stripes, 0, 255))
    return replace(cell, image=striped.astype(np.uint8)) if cell.row.class_index else cell


def with_colour(cell: Cell) -> Cell:
    """Class 1 is redder and less green, but as bright as the other class."""
    tint = np.array([1.08, 0.93, 1.0]) if cell.row.class_index else np.ones(3)
    return replace(cell, image=np.clip(cell.image * tint, 0, 255).astype(np.uint8))


def with_size(cell: Cell) -> Cell:
    """Class 1 was enlarged."""
    side = 56 if cell.row.class_index else 48
    mask = cv2.resize(cell.mask, (side, side), interpolation=cv2.INTER_NEAREST)
    return replace(cell, image=cv2.resize(cell.image, (side, side)), mask=mask)


def with_brightness(cell: Cell) -> Cell:
    factor = 0.78 if cell.row.class_index else 1.0
    return replace(cell, image=(cell.image * factor).astype(np.uint8))


def with_jpeg(cell: Cell) -> Cell:
    return replace(cell, jpeg=80 if cell.row.class_index else 92)


def with_border(cell: Cell) -> Cell:
    """Class 1 was rotated after cropping, so that one line of its border is black."""
    image = cell.image.copy()
    if cell.row.class_index:
        image[:, 0] = 0
    return replace(cell, image=image)


def with_number(cell: Cell) -> Cell:
    """Class 1 has a serial number in a corner."""
    image = cell.image.copy()
    if cell.row.class_index:
        cv2.putText(image, cell.row.id[1:3], (1, 46), cv2.FONT_HERSHEY_PLAIN, 0.6, (255, 255, 255), 1)
    return replace(cell, image=image)


def with_hot_pixel(cell: Cell) -> Cell:
    image = cell.image.copy()
    if cell.row.class_index:
        image[4, -6] = 255
    return replace(cell, image=image)


def blurred(cell: Cell) -> Cell:
    return replace(cell, image=cv2.GaussianBlur(cell.image, (0, 0), 1.0)) if cell.row.class_index else cell


def pale(cell: Cell) -> Cell:
    mean = cell.image.mean(axis=(0, 1))
    factor = 0.6 if cell.row.class_index else 1.0
    return replace(cell, image=(mean + factor * (cell.image - mean)).astype(np.uint8))


@pytest.mark.parametrize(
    ("change", "check", "numbers"),
    [
        (with_background, "background_only", "background"),
        (with_colour, "low_frequency_colour", "colour"),
        (with_size, "image_statistics", "size"),
        (with_brightness, "image_statistics", "brightness"),
        (with_jpeg, "image_statistics", "file"),
        (with_border, "image_statistics", "border"),
        (blurred, "image_statistics", "sharpness"),
        (pale, "image_statistics", "contrast"),
        (with_number, "fixed_marks", "told"),
        (with_hot_pixel, "fixed_marks", "told"),
    ],
)
def test_a_shortcut_is_caught(change: Change, check: str, numbers: str, clean: list[Cell], audited: RunAudit) -> None:
    findings = audited([change(cell) for cell in clean])
    assert findings[check]["verdict"] == "fail"
    assert findings[check]["numbers"][f"{numbers}_low"] > 0.75
    if check == "image_statistics":
        assert numbers in findings[check]["title"]
    for leak in CHECKS[:4]:
        assert findings[leak]["verdict"] == "ok", leak


def test_classes_of_few_groups_are_not_trained_on(clean: list[Cell], audited: RunAudit) -> None:
    few = [cell for cell in clean if cell.row.group in ("s00", "s03") or cell.row.class_index == 0]
    findings = audited(few)
    assert [findings[check]["verdict"] for check in CHECKS[3:]] == ["skipped"] * 5
    assert [findings[check]["verdict"] for check in CHECKS[:3]] == ["ok"] * 3


def test_without_background_its_check_is_skipped(clean: list[Cell], audited: RunAudit) -> None:
    findings = audited([replace(cell, mask=np.ones_like(cell.mask)) for cell in clean])
    assert findings["background_only"]["verdict"] == "skipped"
    assert findings["background_only"]["numbers"]["left_out"] == len(clean)


def test_images_are_drawn_evenly_from_classes_and_rare_classes_are_taken_whole() -> None:
    labels = [0] * 1000 + [1] * 30 + [2] * 500
    chosen = sample_images(labels, 300)
    assert np.bincount(np.array(labels)[chosen]).tolist() == [135, 30, 135]
    assert np.array_equal(chosen, np.unique(chosen))
    assert np.array_equal(chosen, sample_images(labels, 300))
    assert sample_images(labels, None).tolist() == sample_images(labels, 5000).tolist() == list(range(1530))


def test_arrays_of_other_images_are_refused(clean: list[Cell], written: WriteDataset, tmp_path: Path) -> None:
    subject = written(clean)
    manifest = tmp_path / "data/tensors/manifest.csv"
    manifest.write_text(manifest.read_text().replace(subject.rows[0].sha256, "0" * 64))
    with pytest.raises(CytopipeError, match="arrays and organized images differ"):
        type(subject).load("cells", subject.folder, manifest.parent, subject.raw)
