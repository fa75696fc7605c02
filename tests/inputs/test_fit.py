"""Images of other shapes and scales than a square: what their tensors show, and that a model sees new ones alike."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cytopipe.core.params import SPLITS, Dataset, Fit, plain_fit
from cytopipe.data.fitting import fit_counts
from cytopipe.data.imaging.decode import read_image
from cytopipe.data.imaging.fit import Measured
from cytopipe.data.imaging.masks import encode_mask
from cytopipe.data.manifest import write_manifest
from cytopipe.data.tensors import build_tensors, load_all
from cytopipe.errors import CytopipeError
from cytopipe.models.inference.predictor import Predictor
from cytopipe.models.registry import build
from cytopipe.results.model_spec import ModelSpec
from files_of_people import save
from organized import Outcome, organized

SIDE = 32
HALF: dict[str, Any] = {"kind": "scale", "source_pixels": 2}
MICROMETRES: dict[str, Any] = {"kind": "scale", "um_per_pixel": 0.5}


@dataclass(frozen=True)
class Case:
    """Images by (height, width, diameter of the dark disc in the middle), and what they become.

    Attributes:
        extents: height and width of each disc in its square; None where it cannot be measured.
        padded, cropped: number of images.
        pixels_um: side of a pixel as the files say it, in the order of the images; None: they do not.
    """

    fit: Any
    images: Sequence[tuple[int, int, int]]
    extents: Sequence[tuple[int, int] | None]
    padded: int = 0
    cropped: int = 0
    pixels_um: Sequence[float] | None = None


CASES = {
    "squares, stretched": Case("stretch", [(32, 32, 20), (64, 64, 20)], [(20, 20), (10, 10)]),
    "twice as wide, stretched: a disc becomes an ellipse": Case("stretch", [(32, 64, 20)], [(20, 10)]),
    "twice as wide, padded": Case("pad", [(32, 64, 20)], [(10, 10)], padded=1),
    "twice as high, padded": Case("pad", [(64, 32, 20)], [(10, 10)], padded=1),
    "squares, padded: all the same": Case("pad", [(64, 64, 40), (32, 32, 20)], [(20, 20), (20, 20)]),
    "smaller than the square, padded": Case("pad", [(8, 16, 6)], [(12, 12)], padded=1),
    "a strip, padded": Case("pad", [(4, 400, 0)], [None], padded=1),
    "a cell of twice the size, at one scale": Case(HALF, [(64, 64, 20), (64, 64, 40)], [(10, 10), (20, 20)]),
    "one cell cut out tightly and widely": Case(HALF, [(30, 30, 24), (64, 60, 24)], [(12, 12), (12, 12)], padded=2),
    "larger than the square": Case(HALF, [(200, 90, 30), (64, 64, 30)], [(15, 15), (15, 15)], cropped=1),
    "higher than the square, and narrow": Case(HALF, [(100, 20, 12)], [(6, 6)], padded=1, cropped=1),
    "enlarged at one scale": Case({"kind": "scale", "source_pixels": 0.5}, [(12, 12, 8)], [(16, 16)], padded=1),
    "a camera of twice the resolution": Case(
        MICROMETRES, [(60, 60, 20), (30, 30, 10)], [(10, 10), (10, 10)], padded=2, pixels_um=[0.25, 0.5]
    ),
    "one pixel": Case(HALF, [(1, 1, 0)], [None], padded=1),
}


def disc(height: int, width: int, diameter: int, seed: int) -> np.ndarray:
    """A dark disc in the middle of bright ground; no two seeds give the same pixels."""
    y, x = np.mgrid[:height, :width] + 0.5
    inside = np.hypot(y - height / 2, x - width / 2) < diameter / 2
    image: np.ndarray = np.where(inside[..., None], 40, 220).repeat(3, axis=2).astype(np.uint8)
    image[0, 0] = 220 + seed  # of the border
    return image


def extent(square: np.ndarray) -> tuple[int, int]:
    """Height and width of what is dark."""
    rows, columns = np.nonzero(square[..., 0] < 130)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def folder_of(root: Path, case: Case) -> Path:
    """Class folders of TIFFs; the case's images come first, and others fill the splits of both classes."""
    few = list(case.images) + [(20, 20, 10)] * (12 - len(case.images))
    for number, shape in enumerate(few):
        path = root / ("a", "b")[number % 2] / f"c{number:02}.tif"
        size = None if case.pixels_um is None else case.pixels_um[min(number, len(case.pixels_um) - 1)]
        tags = {} if size is None else {"dpi": (25_400 / size, 25_400 / size)}
        save(path, disc(*shape, number), **tags)
    return root


def tensors_of(found: Outcome, work: Path, fit: Fit) -> Path:
    """Build tensors with an empty mask for every image."""
    masks, tensors = work / "masks", work / "tensors"
    (masks / "predicted").mkdir(parents=True)
    tensors.mkdir()
    rows = []
    for row in found.rows:
        (masks / "predicted" / f"{row.id}.png").write_bytes(encode_mask(np.zeros((row.height, row.width), np.uint8)))
        rows.append(replace(row, mask_path=f"predicted/{row.id}.png"))
    write_manifest(masks / "manifest.csv", rows)
    arrays = {split: tensors / f"{split}.npy" for split in SPLITS}
    made = build_tensors(found.folder, masks, SIDE, arrays, lambda items, _: items, fit=fit)
    write_manifest(tensors / "manifest.csv", made)
    return tensors


def model(folder_fit: Fit | None) -> Predictor:
    """A small network that was trained with a fit."""
    torch.manual_seed(0)
    arguments = {"num_classes": 2, "in_channels": 3, "input_size": SIDE}
    spec = ModelSpec.model_validate(
        {
            "task": "classification",
            "architecture": "cell_background",
            "arguments": arguments,
            "classes": ("a", "b"),
            "channels": "rgb",
            "input_size": SIDE,
            "fit": folder_fit,
            "mean": (0.5,) * 3,
            "std": (0.25,) * 3,
            "training_data_sha256": "0" * 64,
            "decision_rule": {"temperature": 1.0},
        }
    )
    return Predictor(build("cell_background", **arguments), spec, None, torch.device("cpu"))


def dataset(fit: Any) -> Dataset:
    return Dataset.model_validate(
        {
            "adapter": "folder",
            "source": {"kind": "archive", "path": "x"},
            "options": {},
            "exclude_classes": [],
            "bad_images": "error",
            "split": {},
            "segmenter": "otsu",
            "image_size": SIDE,
            **({} if fit is None else {"fit": fit}),
        }
    )


@pytest.mark.parametrize("name", CASES)
def test_the_tensors_show_things_at_the_size_of_the_fit(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    case = CASES[name]
    found = organized(folder_of(tmp_path / "cells", case), tmp_path / "work", caplog)
    assert found.refusal == ""
    fit = dataset(case.fit).fit
    named = {Path(row.source).name: row for row in found.rows}
    own = [named[f"c{number:02}.tif"] for number in range(len(case.images))]
    caplog.clear()
    caplog.set_level(logging.WARNING)
    counts = fit_counts(own, SIDE, fit, "datasets.mine")
    assert (counts["padded"]["count"], counts["cropped"]["count"]) == (case.padded, case.cropped)
    assert (f"{case.cropped} of {len(own)} images are larger than 32 x 32 px at this scale" in caplog.text) == bool(
        case.cropped
    )

    items, rows = load_all(tensors_of(found, tmp_path, fit))
    place = {row.id: number for number, row in enumerate(rows)}
    for row, expected in zip(own, case.extents, strict=True):
        square = np.asarray(items[place[row.id]])
        if expected:
            assert extent(square) == pytest.approx(expected, abs=2), row.source
        assert square[0, 0, 0] >= 200 or not expected  # padded with the colour of the border
        assert not square[..., 3:].any()

    # A new image is seen as it was in training, to the bit.
    predictor = model(fit)
    files = [read_image(tmp_path / "cells" / Path(row.source).parent.name / Path(row.source).name) for row in own]
    for row, one in zip(own, predictor(Measured(file.rgb, file.pixel_size_um) for file in files), strict=True):
        assert np.array_equal(one.item, np.asarray(items[place[row.id]]))
        assert (one.placement is None) == (fit == "stretch")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "stretch"),
        ("stretch", "stretch"),
        ("pad", "pad"),
        (HALF, {"kind": "scale", "source_pixels": 2.0}),
        (MICROMETRES, {"kind": "scale", "um_per_pixel": 0.5}),
    ],
)
def test_what_can_be_asked_for(given: Any, expected: Any) -> None:
    found = dataset(given).fit
    assert (found if isinstance(found, str) else found.model_dump(exclude_none=True)) == expected
    spec = model(found).spec
    again = ModelSpec.parse(spec.to_json(), Path("model.json"))
    assert again == spec and json.loads(spec.to_json())["fit"] == expected
    assert plain_fit(found) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("scale", r"scale needs a number: \{kind: scale, source_pixels: 2\} or \{kind: scale, um_per_pixel: 0.5\}"),
        ("crop", r"should be stretch, pad, \{kind: scale, source_pixels: NUMBER\}"),
        (2, r"should be stretch, pad"),
        ({"kind": "scale"}, "give one of source_pixels and um_per_pixel"),
        ({"kind": "scale", "source_pixels": 2, "um_per_pixel": 1}, "give one of source_pixels and um_per_pixel"),
        ({"kind": "scale", "source_pixels": 0}, "greater than 0"),
        ({"kind": "scale", "sourcepixels": 2}, "unknown key 'sourcepixels'; did you mean: source_pixels"),
        ({"kind": "pad"}, "'scale'"),
    ],
)
def test_what_cannot_be_asked_for(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataset(given)


def test_images_that_do_not_say_how_large_their_pixels_are_are_named_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = organized(folder_of(tmp_path / "cells", CASES["squares, stretched"]), tmp_path / "work", caplog)
    with pytest.raises(CytopipeError) as fault:
        fit_counts(found.rows, SIDE, dataset(MICROMETRES).fit, "datasets.mine")
    ids = [row.id for row in found.rows]
    assert fault.value.what == (
        f"12 of 12 images do not say how large their pixels are: '{ids[0]}', '{ids[1]}', '{ids[2]}', ..."
    )
    assert fault.value.where == "datasets.mine.fit"
    assert "datasets.mine.options.pixel_size_um" in str(fault.value)


def test_a_model_of_an_earlier_version_stretches() -> None:
    predictor = model(None)
    image = disc(32, 64, 20, 0)
    assert b'"fit"' not in predictor.spec.to_json()
    (found,), (stretched,) = predictor([image]), model("stretch")([image])
    assert np.array_equal(found.item, stretched.item) and found.placement is None


def test_a_given_size_of_pixels_holds_for_every_image_and_before_that_of_a_file() -> None:
    predictor = model(dataset(MICROMETRES).fit)
    image = disc(60, 60, 20, 0)
    with pytest.raises(CytopipeError, match="--pixel-size-um"):
        list(predictor([image]))
    predictor.pixel_size_um = 0.25
    both: Iterable[np.ndarray] = [one.item for one in predictor([image, Measured(image, 1.0)])]
    for item in both:
        assert extent(item) == pytest.approx((10, 10), abs=1)


def test_a_size_of_pixels_in_a_tiff_is_read(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", disc(20, 20, 8, 0), dpi=(101_600, 101_600))
    assert read_image(path).pixel_size_um == pytest.approx(0.25)
    Image.open(path).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").pixel_size_um is None
