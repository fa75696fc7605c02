"""True masks as people have them: values, colours, numbers, JPEG, other names; masks of some images only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from cytopipe.data.imaging.masks import read_mask
from files_of_people import cell, cell_mask, save, table
from organized import Outcome, organized

COUNT = 12
SIDE = 24
TRUTH = cell_mask(SIDE)
CELL_ONLY = np.minimum(TRUTH, 1)
CYTOPLASM, NUCLEUS = (204, 153, 51), (0, 221, 238)  # one grey value: 157
Writer = Callable[[Path, int], object]


def in_colours(background: tuple[int, int, int] = (0, 0, 0)) -> np.ndarray:
    pixels: np.ndarray = np.array([background, CYTOPLASM, NUCLEUS], np.uint8)[TRUTH]
    return pixels


def taken(root: Path, caplog: pytest.LogCaptureFixture, write: Writer, name: str = "{}.png", **options: Any) -> Outcome:
    """What organize makes of images and of the masks that `write` writes into a folder of their own."""
    folder = root / "cells"
    for seed in range(COUNT):
        save(folder / "images" / f"c{seed:02}.png", cell(seed))
        (folder / "masks").mkdir(exist_ok=True)
        write(folder / "masks" / name.format(f"c{seed:02}"), seed)
    rows = [("image", "label"), *[(f"c{seed:02}", "ab"[seed % 2]) for seed in range(COUNT)]]
    table(folder / "labels.csv", rows)
    given = {"csv": "labels.csv", "images": "images", "masks": "masks", **options}
    return organized(folder, root / "work", caplog, options=given)


def mask_of(found: Outcome, name: str = "c03") -> np.ndarray:
    return read_mask(found.folder / "masks" / f"{name}.png")


def plain(values: np.ndarray, **options: Any) -> Writer:
    return lambda path, seed: save(path, values, **options)


def palette(path: Path, seed: int) -> None:
    image = Image.fromarray(TRUTH)
    image.putpalette([0, 0, 0, *CYTOPLASM, *NUCLEUS])
    image.save(path)


def rgba(path: Path, seed: int) -> None:
    save(path, np.dstack([np.repeat(TRUTH[..., None], 3, axis=2), np.full((SIDE, SIDE), 255, np.uint8)]))


def jpeg(path: Path, seed: int) -> None:
    Image.fromarray(CELL_ONLY * 255).save(path, quality=90)


def soft(path: Path, seed: int) -> None:
    grey = np.full((SIDE, SIDE), 0, np.uint8)
    grey[6:18, 6:18] = 255
    grey[6, 6:18] = np.arange(60, 192, 11)
    save(path, grey)


def objects(count: int) -> np.ndarray:
    """Numbered squares."""
    found = np.zeros((SIDE, SIDE), np.uint16)
    for number in range(count):
        top, left = divmod(number, 8)
        found[3 * top : 3 * top + 2, 3 * left : 3 * left + 2] = number + 1
    return found


VALUES_255 = {0: 0, 255: 1}
BY_COLOUR = {"#000000": 0, "#cc9933": 1, "#00ddee": 2}
READ: Mapping[str, tuple[Writer, str, dict[str, Any], np.ndarray]] = {
    "values": (plain(TRUTH), "{}.png", {}, TRUTH),
    "0 and 255": (plain(CELL_ONLY * 255), "{}.png", {"mask_values": VALUES_255}, CELL_ONLY),
    "1 bit": (plain(CELL_ONLY.astype(bool)), "{}.png", {"mask_values": VALUES_255}, CELL_ONLY),
    "grey in RGB": (plain(np.repeat(TRUTH[..., None], 3, axis=2)), "{}.bmp", {}, TRUTH),
    "grey in RGBA": (rgba, "{}.png", {}, TRUTH),
    "16 bits": (plain(TRUTH.astype(np.uint16) * 300), "{}.png", {"mask_values": {0: 0, 300: 1, 600: 2}}, TRUTH),
    "Fiji": (lambda path, seed: tifffile.imwrite(path, TRUTH.astype(np.uint16), byteorder=">"), "{}.tif", {}, TRUTH),
    "big-endian, above 255": (
        lambda path, seed: tifffile.imwrite(path, TRUTH.astype(np.uint16) * 300, byteorder=">"),
        "{}.tif",
        {"mask_values": {0: 0, 300: 1, 600: 2}},
        TRUTH,
    ),
    "32 bits": (lambda path, seed: tifffile.imwrite(path, TRUTH.astype(np.int32)), "{}.tif", {}, TRUTH),
    "fractions that are whole": (
        lambda path, seed: tifffile.imwrite(path, TRUTH.astype(np.float32)),
        "{}.tif",
        {},
        TRUTH,
    ),
    "palette": (palette, "{}.png", {}, TRUTH),
    "palette by colour": (palette, "{}.png", {"mask_colours": BY_COLOUR}, TRUTH),
    "colours": (plain(in_colours()), "{}.png", {"mask_colours": BY_COLOUR}, TRUTH),
    "colours without #": (
        plain(in_colours()),
        "{}.png",
        {"mask_colours": {"000000": 0, "CC9933": 1, "00DDEE": 2}},
        TRUTH,
    ),
    "numbers": (plain(objects(40)), "{}.png", {"mask_values": "any"}, (objects(40) > 0).astype(np.uint8)),
    "any value > 0": (plain(objects(3)), "{}.png", {"mask_values": "any value > 0"}, (objects(3) > 0).astype(np.uint8)),
    "numbers above 255": (
        lambda path, seed: tifffile.imwrite(path, objects(30) * 256, byteorder=">"),
        "{}.tif",
        {"mask_values": "any"},
        (objects(30) > 0).astype(np.uint8),
    ),
    "_mask": (plain(TRUTH), "{}_mask.png", {}, TRUTH),
    "mask_": (plain(TRUTH), "mask_{}.png", {}, TRUTH),
    "-seg, bmp": (plain(TRUTH), "{}-seg.bmp", {}, TRUTH),
    "_cp_masks": (plain(objects(9)), "{}_cp_masks.png", {"mask_values": "any"}, (objects(9) > 0).astype(np.uint8)),
    "TIFF": (plain(TRUTH), "{}.tiff", {}, TRUTH),
}


@pytest.mark.parametrize("kind", READ)
def test_masks_that_are_read(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write, name, options, expected = READ[kind]
    found = taken(tmp_path, caplog, write, name, **options)
    assert found.refusal == ""
    assert found.summary["masks"] == COUNT
    assert np.array_equal(mask_of(found), expected)
    assert ("every value above 0 of a mask is taken as cell" in found.log) == str(
        options.get("mask_values")
    ).startswith("any")


def test_a_jpeg_is_read_by_the_nearest_value(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = {"mask_values": VALUES_255, "mask_nearest": True}
    found = taken(tmp_path, caplog, jpeg, "{}.jpg", **options)
    assert found.refusal == ""
    assert np.count_nonzero(mask_of(found) != CELL_ONLY) <= 8  # a JPEG does not keep every pixel


def test_soft_edges_are_read_by_the_nearest_value(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken(tmp_path, caplog, soft, mask_values=VALUES_255, mask_nearest=True)
    assert mask_of(found)[6, 6:18].tolist() == [0] * 7 + [1] * 5
    assert mask_of(found)[7, 6:18].tolist() == [1] * 12


def gif_of_two(path: Path, seed: int) -> None:
    first, second = Image.fromarray(TRUTH), Image.fromarray(CELL_ONLY)
    first.save(path, save_all=True, append_images=[second])


def transparent(path: Path, seed: int) -> None:
    alpha = np.where(TRUTH > 0, 255, 0).astype(np.uint8)
    save(path, np.dstack([np.full((SIDE, SIDE, 3), 255, np.uint8), alpha]))


def light_background(path: Path, seed: int) -> None:
    image = Image.fromarray(CELL_ONLY)
    image.putpalette([255, 255, 255, 0, 0, 0])
    image.save(path)


REFUSED: Mapping[str, tuple[Writer, str, dict[str, Any], tuple[str, ...]]] = {
    "colours of one grey": (
        plain(in_colours()),
        "{}.png",
        {"mask_values": {0: 0, 157: 1}},
        ("has colours, not values: #000000", "#cc9933", "#00ddee", "options.mask_colours: {'#000000': 0"),
    ),
    "a colour that is not named": (
        plain(in_colours()),
        "{}.png",
        {"mask_colours": {"#000000": 0, "#cc9933": 1}},
        ("colours that options.mask_colours does not name: #00ddee (", "options.mask_nearest"),
    ),
    "no colour": (plain(TRUTH), "{}.png", {"mask_colours": {"red": 1}}, ("'red' is no colour such as '#ff0000'",)),
    "no colours": (plain(TRUTH), "{}.png", {"mask_colours": {}}, ("name at least one colour",)),
    "no values": (plain(TRUTH), "{}.png", {"mask_values": {}}, ("name at least one value, or set it to any",)),
    "a part that is none": (plain(TRUTH), "{}.png", {"mask_values": {0: 0, 1: 3}}, ("mask_values.1", "0, 1 or 2")),
    "numbers": (
        plain(objects(40)),
        "{}.png",
        {},
        ("the masks number objects: this one has 40 values above 0, from 1 to 40", "options.mask_values: any"),
    ),
    "few numbers": (plain(objects(3).astype(np.uint8)), "{}.png", {}, ("has 3 values above 0", "mask_values: any")),
    "jpeg": (jpeg, "{}.jpg", {"mask_values": VALUES_255}, ("the mask is a JPEG", "options.mask_nearest: true")),
    "numbers in jpeg": (jpeg, "{}.jpg", {"mask_values": "any"}, ("the mask is a JPEG",)),
    "soft edges": (soft, "{}.png", {"mask_values": VALUES_255}, ("between its main ones", "options.mask_nearest")),
    "0 and 255": (plain(CELL_ONLY * 255), "{}.png", {}, ("mask values [255] are none of [0, 1, 2]", "{0: 0, 255: 1}")),
    "other values": (plain(TRUTH * 100), "{}.png", {}, ("mask values [100, 200] are none of [0, 1, 2]", "mask_values")),
    "fractions": (
        lambda path, seed: tifffile.imwrite(path, TRUTH.astype(np.float32) / 2),
        "{}.tif",
        {},
        ("the mask has fractions as values",),
    ),
    "pages": (gif_of_two, "{}.tif", {}, ("the file holds 2 pages that are no versions of one picture",)),
    "transparent": (transparent, "{}.png", {}, ("of the mask is transparent", "without transparency")),
    "a light background": (light_background, "{}.png", {}, ("0 is the brightest: 0 is #ffffff, 1 is #000000",)),
    "empty": (plain(TRUTH * 0), "{}.png", {}, ("every one of the 12 masks is empty", "mask_values")),
    "another size": (plain(TRUTH[:20]), "{}.png", {}, ("the mask is 24 x 20 px, its image 24 x 24",)),
    "other names": (plain(TRUTH), "cell{}.png", {}, ("none of 12 masks has the name", "cellc00.png")),
    "no folder": (plain(TRUTH), "{}.png", {"masks": "truth"}, ("no folder 'truth' in the source", "options.masks")),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_masks_that_are_refused(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write, name, options, said = REFUSED[kind]
    refusal = taken(tmp_path, caplog, write, name, **options).refusal
    for text in said:
        assert text in refusal


def test_an_option_that_does_not_fit_is_no_bad_image(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Masks of one or two objects would pass, and the others would be left out."""

    def write(path: Path, seed: int) -> None:
        save(path, objects(2 if seed % 2 else 9))

    folder = tmp_path / "cells"
    assert "number objects" in taken(tmp_path, caplog, write).refusal
    options = {"csv": "labels.csv", "images": "images", "masks": "masks"}
    skipping = organized(folder, tmp_path / "work", caplog, options=options, bad_images="skip")
    assert "the masks number objects" in skipping.refusal


def test_two_masks_of_one_image(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def write(path: Path, seed: int) -> None:
        save(path, TRUTH)
        save(path.with_name(f"{path.stem}_mask.png"), TRUTH)

    refusal = taken(tmp_path, caplog, write).refusal
    assert "2 masks fit this image: masks/c00.png, masks/c00_mask.png" in refusal


def by_table(root: Path, caplog: pytest.LogCaptureFixture, masks: list[str]) -> Outcome:
    """Images with a column of masks."""
    folder = root / "cells"
    for seed in range(COUNT):
        save(folder / "images" / f"c{seed:02}.png", cell(seed))
        save(folder / "truth" / f"m{seed:02}.png", TRUTH)
    rows = [(f"c{seed:02}", "ab"[seed % 2], masks[seed]) for seed in range(COUNT)]
    table(folder / "labels.csv", [("image", "label", "mask"), *rows])
    options = {"csv": "labels.csv", "images": "images", "mask": "mask"}
    return organized(folder, root / "work", caplog, options=options)


def test_a_mask_of_two_images(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    masks = [f"truth/m{max(seed, 1):02}.png" for seed in range(COUNT)]
    refusal = by_table(tmp_path, caplog, masks).refusal
    assert "truth/m01.png: it is the mask of two images: images/c00.png and images/c01.png" in refusal


def test_a_mask_that_is_the_image(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    masks = ["images/c00.png", *[f"truth/m{seed:02}.png" for seed in range(1, COUNT)]]
    assert "'images/c00.png' is the image itself, not its mask" in by_table(tmp_path, caplog, masks).refusal


def test_a_mask_that_is_not_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    masks = ["truth/none.png", *[f"truth/m{seed:02}.png" for seed in range(1, COUNT)]]
    refusal = by_table(tmp_path, caplog, masks).refusal
    assert "truth/none.png: no such mask" in refusal and "leave its mask empty" in refusal


# Masks for some images only.


def test_a_column_with_empty_masks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = by_table(tmp_path, caplog, [f"truth/m{seed:02}.png" if seed < 7 else "" for seed in range(COUNT)])
    assert found.refusal == ""
    assert found.summary["masks"] == 7 and found.summary["images"] == COUNT
    assert "7 of 12 images have a true mask; segmenters train on these" in found.log
    assert sorted(row.id for row in found.rows if row.mask_path) == [f"c{seed:02}" for seed in range(7)]


def test_a_folder_with_masks_of_some(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def write(path: Path, seed: int) -> None:
        if seed % 3 == 0:
            save(path, TRUTH)

    found = taken(tmp_path, caplog, write)
    assert found.summary["masks"] == 4
    assert "4 of 12 images have a true mask" in found.log


def test_masks_that_fit_no_image_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def write(path: Path, seed: int) -> None:
        save(path, TRUTH)
        save(path.with_name(f"other{seed}.png"), TRUTH)

    found = taken(tmp_path, caplog, write)
    assert found.refusal == "" and found.summary["masks"] == COUNT
    assert "12 masks fit no image and are left out, first masks/other0.png" in found.log


# What a person should look at.


def test_some_empty_masks_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken(tmp_path, caplog, lambda path, seed: save(path, TRUTH * (seed > 1)))
    assert found.refusal == ""
    assert "2 masks are empty (no pixel is cell), first c00" in found.log


def test_inverted_masks_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = taken(tmp_path, caplog, plain(1 - CELL_ONLY))
    assert "in 12 of 12 masks the border is cell and the middle is not, first c00: are they inverted?" in found.log
    assert "border is cell" not in taken(tmp_path / "upright", caplog, plain(CELL_ONLY)).log


# Masks beside their images, and EXIF.


def beside(root: Path, caplog: pytest.LogCaptureFixture, **options: Any) -> Outcome:
    """An ImageFolder with a mask beside each image."""
    for seed in range(COUNT):
        folder = root / "cells" / "ab"[seed % 2]
        save(folder / f"c{seed:02}.png", cell(seed))
        save(folder / f"c{seed:02}_mask.png", TRUTH)
    return organized(root / "cells", root / "work", caplog, options=options)


def test_masks_beside_images_are_no_images(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    left_out = beside(tmp_path, caplog)
    assert left_out.classes == {"a": 6, "b": 6} and left_out.summary["masks"] == 0
    assert "12 images named like masks are taken for masks" in left_out.log
    assert "options.mask_suffix reads masks" in left_out.log
    found = beside(tmp_path, caplog, mask_suffix="_mask")
    assert found.classes == {"a": 6, "b": 6} and found.summary["masks"] == COUNT
    assert np.array_equal(mask_of(found, "b__c03"), TRUTH)
    assert beside(tmp_path, caplog, mask_suffix="").classes == {"a": 12, "b": 12}


@pytest.mark.parametrize(("orientation", "side"), [(6, (30, 40)), (8, (30, 40)), (5, (30, 40))])
def test_a_turned_image_names_exif(
    orientation: int, side: tuple[int, int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    folder = tmp_path / "cells"
    for seed in range(COUNT):
        pixels = np.random.default_rng(seed).integers(0, 255, (*side, 3), np.uint8)
        save(folder / "ab"[seed % 2] / f"c{seed:02}.jpg", pixels, exif=exif)
        save(folder / "masks" / "ab"[seed % 2] / f"c{seed:02}.png", np.eye(*side, dtype=np.uint8))
    refusal = organized(folder, tmp_path / "work", caplog, options={"masks": "masks"}).refusal
    assert "the mask is 40 x 30 px, its image 30 x 40, because the image is turned by its EXIF orientation" in refusal
    assert "turn the masks as the EXIF orientation says" in refusal


def test_a_turned_image_whose_mask_fits_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    folder = tmp_path / "cells"
    for seed in range(COUNT):
        save(folder / "ab"[seed % 2] / f"c{seed:02}.jpg", cell(seed), exif=exif)
        save(folder / "masks" / "ab"[seed % 2] / f"c{seed:02}.png", TRUTH)
    found = organized(folder, tmp_path / "work", caplog, options={"masks": "masks"})
    assert (
        "12 images with a mask are turned by their EXIF orientation, first a__c00: their masks are taken as"
        in found.log
    )
