from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from cytopipe.adapters.mask_names import find_masks, is_mask_folder, paired_names, stem_of_image
from cytopipe.errors import CytopipeError


def masks(*names: str, stated: bool = False) -> list[str]:
    return sorted(str(path) for path in find_masks([PurePosixPath(name) for name in names], Path("x"), stated).files)


@pytest.mark.parametrize("name", ["masks", "Mask", "GT", "ground_truth", "GroundTruth", "cell-masks", "Segmentation"])
def test_folders_of_masks(name: str) -> None:
    assert is_mask_folder(name)


@pytest.mark.parametrize("name", ["images", "normal", "unmasked", "segmented cells", "labelled", "damask"])
def test_other_folders(name: str) -> None:
    assert not is_mask_folder(name)


@pytest.mark.parametrize(
    ("stem", "image"),
    [("a_mask", "a"), ("a-GT", "a"), ("a (1)_mask_2", "a (1)"), ("a.seg", "a"), ("mask", "mask"), ("amask", "amask")],
)
def test_the_image_of_a_mask(stem: str, image: str) -> None:
    assert stem_of_image(stem) == image


def test_masks_beside_a_folder_of_images_need_not_have_their_names() -> None:
    assert masks("1/images/a.png", "1/masks/n1.png", "1/masks/n2.png") == ["1/masks/n1.png", "1/masks/n2.png"]


def test_masks_beside_images_have_their_names() -> None:
    assert masks("a/1.png", "a/masks/1_mask.png", "b/2.png") == ["a/masks/1_mask.png"]
    with pytest.raises(CytopipeError, match=r"the folder 'a/masks' beside .* is named like masks"):
        masks("a/1.png", "a/masks/7.png", "b/2.png")


def test_folders_that_are_all_named_like_masks_are_classes() -> None:
    assert masks("label_0/1.png", "label_1/1.png") == []


def test_a_folder_that_is_stated_to_be_a_class_is_one() -> None:
    assert masks("a/1.png", "b/2.png", "masks/1.png", stated=True) == []
    with pytest.raises(CytopipeError, match="is it a class"):
        masks("a/1.png", "b/2.png", "masks/1.png")


def test_a_mask_without_an_image_beside_it_is_an_image() -> None:
    assert masks("a/1_mask.png", "b/1.png") == []


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["a/1.bmp", "a/1-d.bmp", "b/2.bmp", "b/2-d.bmp"], ("-d", 2)),
        (["a/1.png", "a/1 (copy).png", "a/2.png", "a/2 (copy).png"], (" (copy)", 2)),
        (["a/1.png", "b/1-d.png"], None),
        (["a/s1_1.png", "a/s1_2.png"], None),
        (["a/1.png", "a/1-d.png", "a/2.png", "a/3.png", "a/4.png"], None),
        ([], None),
    ],
)
def test_images_that_are_named_in_pairs(names: list[str], found: tuple[str, int] | None) -> None:
    assert paired_names([PurePosixPath(name) for name in names]) == found
