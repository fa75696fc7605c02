"""Pictures of predictions: their content, their names, and how a later run recognises them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageColor

from cytopipe.data.imaging.drawing import REGION_COLOURS
from cytopipe.explain.attribution import BLACK, GRAD_CAM
from cytopipe.explain.explainer import Explainer
from cytopipe.explain.overlay import EDGE, HEAD, LINE, overlay, overlay_names
from cytopipe.explain.overlay_folder import OverlayFolder
from cytopipe.models.inference.predictor import Prediction, Predictor
from fixture_types import SaveClassifier, SaveImage

CPU = torch.device("cpu")
PLAIN = np.full((40, 30, 3), 200, np.uint8)
TOP = EDGE + HEAD + LINE


def prediction(mask: np.ndarray | None, **changes: object) -> Prediction:
    found = Prediction("good", np.array([0.2, 0.8]), 0.75, False, None, np.zeros((24, 24, 5), np.uint8), mask)
    return replace(found, **changes)  # type: ignore[arg-type]


def near(picture: np.ndarray, colour: str) -> np.ndarray:
    """Mask of the pixels close to a colour."""
    distance: np.ndarray = np.abs(picture.astype(int) - ImageColor.getrgb(colour)).max(axis=-1)
    return distance < 30


def test_a_small_image_is_enlarged_with_the_outline_at_its_place() -> None:
    mask = np.zeros((40, 30), np.uint8)
    mask[10:30, 5:25] = 1
    mask[15:20, 10:15] = 2
    picture = np.asarray(overlay(PLAIN, prediction(mask), ("bad", "good"), {}, "cell.png"))
    shown = picture[TOP : TOP + 360, EDGE : EDGE + 270]
    assert (shown[2:20, 2:20] == 200).all()
    for region, box in (("cytoplasm", (10, 5, 30, 25)), ("nucleus", (15, 10, 20, 15))):
        rows, columns = np.nonzero(near(shown, REGION_COLOURS[region]))
        found = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
        assert np.abs(np.array(found) - 9 * np.array(box)).max() <= 5, region


def test_a_large_image_is_reduced_and_no_outline_is_drawn_without_a_mask() -> None:
    large = np.full((1500, 3000, 3), 200, np.uint8)
    picture = np.asarray(overlay(large, prediction(None), ("bad", "good"), {}, "x.png"))
    assert picture.shape[1] == 1000 + 2 * EDGE
    assert (picture[TOP : TOP + 500, EDGE : EDGE + 1000] == 200).all()


def test_heat_lies_where_the_map_is_in_an_image_of_any_shape() -> None:
    weights = np.zeros((24, 24))
    weights[:12, 12:] = 1  # the upper right quarter
    picture = np.asarray(overlay(PLAIN, prediction(None), ("bad", "good"), {BLACK: weights, GRAD_CAM: -weights}, "x"))
    left = (picture.shape[1] - 2 * EDGE - 2 * 10) // 3 + 10 + EDGE
    tile = picture[TOP : TOP + 360, left : left + 270].astype(int)
    coloured = cv2.resize((np.ptp(tile, axis=2) > 60).astype(np.uint8), (2, 2), interpolation=cv2.INTER_AREA)
    assert coloured.tolist() == [[0, 1], [0, 0]]


def test_long_names_stay_inside_the_picture_and_uncertainty_is_shown() -> None:
    long = prediction(None, predicted="good " * 40)
    sheet = overlay(PLAIN, long, ("bad", long.predicted), {}, "n\nä" * 100)
    assert (np.asarray(sheet)[:, -EDGE + 1 :] == 255).all()
    sure, doubt = (
        np.asarray(overlay(PLAIN, prediction(None, uncertain=is_so), ("bad", "good"), {}, "x")) for is_so in (0, 1)
    )
    assert near(doubt[:TOP], "#a04b00").any() and not near(sure[:TOP], "#a04b00").any()


def test_images_of_one_name_get_unique_names() -> None:
    images = ["p/1/a.png", "p/2/a.png", "b.png", "p_2/a.png", "p/2/A.jpg", "/p/2/a.bmp", "../p/2/a.tif", "é" * 240]
    names = overlay_names(images)
    assert list(names) == images and names["b.png"] == "b.png"
    assert names["p/1/a.png"] == "p_1_a.png" and names["p/2/a.png"] == "p_2_a.png"
    assert len({name.casefold() for name in names.values()}) == len(images)
    assert not any("/" in name or len(name.encode()) > 255 or name.startswith(".") for name in names.values())


@pytest.fixture
def predictor(tmp_path: Path, save_classifier: SaveClassifier) -> Predictor:
    return Predictor.load(save_classifier(tmp_path / "model"), CPU)


def test_maps_explain_the_predicted_class_and_leave_predictions_alone(
    predictor: Predictor, save_image: SaveImage, tmp_path: Path
) -> None:
    image = save_image(tmp_path / "a.png", 1, (24, 24))
    before = next(predictor([image]))
    explainer = Explainer(predictor, CPU)
    maps = explainer(before)
    assert list(maps) == explainer.methods == [BLACK, GRAD_CAM]
    # Integrated gradients are complete: they add up to the probability minus that of a black image.
    black = predictor.transform(torch.zeros((1, 24, 24, 5), dtype=torch.uint8))
    index = predictor.classes.index(before.predicted)
    with torch.inference_mode():
        start = torch.softmax(predictor.model(black).double(), dim=1)[0, index].item()
    assert maps[BLACK].sum() == pytest.approx(before.probabilities[index] - start, abs=0.01)
    assert np.array_equal(next(predictor([image])).probabilities, before.probabilities)


def test_a_picture_is_known_by_what_it_shows(predictor: Predictor, save_image: SaveImage, tmp_path: Path) -> None:
    name = str(tmp_path / "a.png")
    found = next(predictor([save_image(Path(name), 1)]))
    plain = OverlayFolder(tmp_path / "new", [name], predictor, "m", CPU, explain=False)
    assert not plain.has(name, "f")
    plain.draw(name, "f", found)
    assert plain.has(name, "f") and not plain.has(name, "e")
    for other, explain in (("m", True), ("n", False)):
        assert not OverlayFolder(tmp_path / "new", [name], predictor, other, CPU, explain).has(name, "f")
    file = tmp_path / "new/a.png"
    assert Image.open(file).size == (360 + 2 * EDGE, TOP + 360 + EDGE)
    file.write_bytes(file.read_bytes()[:20])
    assert not plain.has(name, "f")
