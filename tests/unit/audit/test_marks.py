"""Marks in a fixed place are read, cells and textures are not."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from cytopipe.audit.corners import corner_side, corners
from cytopipe.audit.linear_probe import ProbeResult, strongest_features
from cytopipe.audit.marks import fixed_marks, overlay
from cytopipe.audit.shortcuts import Conditions
from cytopipe.results.audit import Finding
from made_cells import make_cells

EVERYTHING = ProbeResult(accuracy=0.9, low=0.85, high=0.95, chance=0.5, p=0.005, images=288, units=36)


def test_corners_are_those_of_the_image_less_their_surroundings() -> None:
    image = np.full((40, 60), 100, np.uint8)
    image[0, 0], image[39, 59], image[2, 57] = 255, 130, 80
    image[20, 30] = 255  # in no corner
    found = corners(image, 8)
    assert found.shape == (16, 16) and found.dtype == np.int8
    assert (found[0, 0], found[15, 15], found[2, 13]) == (60, 30, -20)  # at most 60 grey levels count
    assert np.count_nonzero(found) == 3


def test_corners_of_the_smallest_image_do_not_overlap() -> None:
    assert corner_side(np.array([40, 90, 70])) == 20
    assert corner_side(np.array([400])) == 32
    assert corner_side(np.array([1])) == 1


def serial(image: np.ndarray, number: int) -> None:
    cv2.putText(image, f"{number:03d}", (1, 46), cv2.FONT_HERSHEY_PLAIN, 0.6, 255, 1)


def hot(image: np.ndarray, number: int) -> None:
    image[4, -6] = 255


def mostly_hot(image: np.ndarray, number: int) -> None:
    if number % 4:
        image[4, -6] = 255


def textured(image: np.ndarray, number: int) -> None:
    """Stronger grain: a difference between classes, but none in a fixed place."""
    noise = np.random.default_rng(number).normal(0, 25, image.shape)
    image[:] = np.clip(image + noise, 0, 255).astype(np.uint8)


def nothing(image: np.ndarray, number: int) -> None:
    """No mark."""


def probed(mark: Callable[[np.ndarray, int], None], classes: int = 2) -> Finding:
    """Mark the images of the last class."""
    cells = make_cells()
    images = [cv2.cvtColor(cell.image, cv2.COLOR_RGB2GRAY) for cell in cells]
    labels = np.array([number % classes for number in range(len(cells))])
    for number in np.flatnonzero(labels == classes - 1):
        mark(images[number], int(number))
    conditions = Conditions(labels, np.array([cell.row.group for cell in cells]), 200, 1)
    found = np.stack([corners(image, 24) for image in images])
    finding, bars = fixed_marks(conditions, found, EVERYTHING, [f"class {number}" for number in range(classes)])
    assert list(bars) == ["everything", "marks"]
    return finding


@pytest.mark.parametrize("mark", [serial, hot, mostly_hot])
@pytest.mark.parametrize("classes", [2, 4])
def test_a_mark_of_one_class_is_read(mark: Callable[[np.ndarray, int], None], classes: int) -> None:
    finding = probed(mark, classes)
    assert finding.verdict == "fail"
    assert f"told class {classes - 1} from the rest" in finding.text or classes == 2  # both are told alike
    told = finding.numbers["told_accuracy"]
    assert told is not None and told > 0.8


@pytest.mark.parametrize("mark", [nothing, textured])
def test_cells_and_textures_are_no_marks(mark: Callable[[np.ndarray, int], None]) -> None:
    assert probed(mark).verdict == "ok"


def test_images_alike_in_every_corner_are_skipped() -> None:
    conditions = Conditions(np.arange(80) % 2, np.array([str(number) for number in range(80)]), 100, 1)
    finding, bars = fixed_marks(conditions, np.zeros((80, 16, 16), np.int8), EVERYTHING, ["a", "b"])
    assert (finding.verdict, bars) == ("skipped", {})


def test_the_strongest_features_are_chosen_for_each_target() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 50))
    first, second = features[:, 7] > 0, features[:, 31] > 0
    targets = np.stack([~first, first, ~second, second], axis=1).astype(float)
    assert [7 in used for used in strongest_features(features, targets, 2, 3)] == [True, False]
    assert strongest_features(features, targets, 2, 3).shape == (2, 3)
    assert strongest_features(features, targets, 2, 99).shape == (2, 50)


def test_the_overlay_is_grey_where_nothing_stands() -> None:
    found = np.zeros((4, 6, 6), np.int8)
    found[2:, 1, 1] = 60
    plain, marked = overlay(found, np.array([0, 0, 1, 1]))
    assert (plain == 128).all()
    assert marked[1, 1].tolist() == [255, 255, 255]
    assert (np.delete(marked.reshape(-1, 3), 7, axis=0) == 128).all()
