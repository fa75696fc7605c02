"""The script of the stage `organize` on faulty input: a clear message, exit status 1, no partial output."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
import yaml
from PIL import Image

from cytopipe.core.io.hashing import hash_tree

if TYPE_CHECKING:
    from faults.conftest import Project


def truncate(project: Project) -> None:
    path = project.raw / "images/p3_pos.png"
    path.write_bytes(path.read_bytes()[:200])


def shrink_mask(project: Project) -> None:
    project.image("masks/p3_pos.png", np.zeros((5, 6), np.uint8))


def few_groups(project: Project) -> None:
    project.rows[1:] = [row.rsplit(",", 1)[0] + f",p{index % 2}" for index, row in enumerate(project.rows[1:])]


def rare_class(project: Project) -> None:
    project.rows[1] = project.rows[1].replace(",neg,", ",rare,")


def tear_patients(project: Project) -> None:
    """A published split with the two cells of each patient in different splits."""
    project.dataset["options"]["split"] = "split"
    project.dataset["split"] = {"kind": "published"}
    sides = ("train", "val", "test")
    project.rows = [project.rows[0] + ",split"] + [
        f"{row},{sides[(index // 2 + index % 2) % 3]}" for index, row in enumerate(project.rows[1:])
    ]


FAULTS: dict[str, tuple[Callable[[Project], object], str]] = {
    "misspelt parameter": (
        lambda p: p.dataset.update(bad_image="skip"),
        r"params\.yaml: datasets\.cells: unknown key 'bad_image'; did you mean: bad_images",
    ),
    "parameter out of range": (
        lambda p: p.dataset["split"].update(val=1.5),
        r"params\.yaml: datasets\.cells\.split\.val: Input should be less than 1 \(given: 1\.5\)",
    ),
    "misspelt option": (
        lambda p: p.dataset["options"].update(mask_value={}),
        r"datasets\.cells\.options: unknown key 'mask_value'; did you mean: mask_values",
    ),
    "missing column": (
        lambda p: p.rows.__setitem__(0, "image,class,patient"),
        r"files/labels\.csv: no column 'label'; it has 'image', 'class', 'patient'",
    ),
    "unknown label": (
        lambda p: p.dataset["options"].update(classes=["neg", "positive"]),
        r"images/p0_pos\.png: the label 'pos' is not in options\.classes",
    ),
    "row without an image": (
        lambda p: p.rows.append("p99_neg.png,neg,p99"),
        r"labels\.csv:26: 'p99_neg\.png' has no image in data/raw/cells/files/images",
    ),
    "image without a row": (
        lambda p: p.rows.pop(),
        r"labels\.csv: 1 images have no row, first images/p11_pos\.png",
    ),
    "duplicate id": (
        lambda p: p.rows.append(p.rows[1]),
        r"labels\.csv:26: 'p0_neg\.png' stands in line 2 already",
    ),
    "truncated image": (truncate, r"images/p3_pos\.png: the image cannot be decoded"),
    "mask of another size": (shrink_mask, r"images/p3_pos\.png: the mask is 6 x 5 px, its image 10 x 12"),
    "class missing from a split": (
        rare_class,
        r"datasets\.cells\.split: the one image of 'rare' is of 1 group \(p\d+\); 3 groups are needed",
    ),
    "another dataset's archive": (
        lambda p: p.dataset.update(adapter="herlev", options={}),
        r"data/raw/cells/files: no image of this dataset: expected Herlev .*, found images/p0_neg\.png",
    ),
    "missing CSV of a publisher": (
        lambda p: p.dataset.update(adapter="hep2", options={}),
        r"data/raw/cells/files: no gt_training\.csv, and no folders of the classes: expected HEp-2 cells",
    ),
    "published split that tears groups": (
        tear_patients,
        r"datasets\.cells\.split: 12 groups or sets of identical images lie in several splits, first 'p0' in ",
    ),
    "no published split": (
        lambda p: p.dataset.update(split={"kind": "published"}),
        r"datasets\.cells\.split: 24 of 24 images have no published split",
    ),
    "fewer groups than splits": (few_groups, r"datasets\.cells\.split: 2 groups cannot be divided over 3 splits"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_and_leaves_nothing_behind(fault: str, project: Project) -> None:
    spoil, message = FAULTS[fault]
    spoil(project)
    done = project.run()
    assert done.returncode == 1
    assert re.search(rf"^error in organize@cells: .*{message}.*\n  -> \w", done.stderr, re.MULTILINE), done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not project.out.exists() or list(project.out.iterdir()) == []


def test_a_published_split_that_tears_groups_can_be_reported(project: Project) -> None:
    tear_patients(project)
    project.dataset["split"]["torn_groups"] = "report"
    done = project.run()
    assert done.returncode == 0, done.stderr
    assert "of 12 groups (joined where they share identical images) 12 lie in several splits" in done.stderr
    summary = yaml.safe_load((project.out / "summary.json").read_text())
    assert summary["torn"] == {"groups": 12, "copies": 0}


def test_a_dataset_that_is_not_in_the_parameters_is_told(project: Project) -> None:
    done = project.run("cell")
    assert done.returncode == 1
    assert "params.yaml: there is no 'cell' in datasets\n  -> known: cells" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_whole_output_survives_a_failed_rerun_and_debug_shows_the_traceback(project: Project) -> None:
    first = project.run()
    assert first.returncode == 0, first.stderr
    before = hash_tree(project.out)
    assert sorted(path.name for path in project.out.iterdir()) == [
        *("manifest.csv", "masks", "summary.json", "test", "train", "val"),
    ]
    truncate(project)
    failed = project.run("cells", "--debug")
    assert failed.returncode == 1
    assert "Traceback" in failed.stderr
    assert hash_tree(project.out) == before
    assert len(list(project.out.iterdir())) == 6
    assert not [path for path in project.folder.rglob(".*") if path.name.endswith((".partial", ".old", ".staging"))]


def test_images_of_other_kinds_are_converted_and_bad_ones_skipped_with_a_note(project: Project) -> None:
    project.dataset["bad_images"] = "skip"
    truncate(project)
    (project.raw / "images/p4_pos.png").write_bytes(b"<!DOCTYPE html><title>404</title>")
    (project.raw / "images/p5_pos.png").write_bytes(b"")
    project.image("images/p0_neg.png", np.full((12, 10), 40_000, np.uint16))
    project.image("images/p1_neg.png", np.full((12, 10, 4), 100, np.uint8))
    project.image("images/p2_neg.png", np.full((12, 10), 100, np.uint8))
    Image.new("P", (10, 12)).save(project.raw / "images/p3_neg.png")
    done = project.run()
    assert done.returncode == 0, done.stderr
    summary = yaml.safe_load((project.out / "summary.json").read_text())
    assert summary["images"] == 21
    assert [refused["id"] for refused in summary["refused"]] == ["p3_pos", "p4_pos", "p5_pos"]
    assert summary["converted"] == {
        "16-bit to 8-bit": 1,
        "alpha blended on white": 1,
        "grey to RGB": 1,
        "palette to RGB": 1,
    }
    for note in (
        "left out: data/raw/cells/files/images/p5_pos.png: the image is empty",
        "1 images converted: grey to RGB",
    ):
        assert note in done.stderr
