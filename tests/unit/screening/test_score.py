"""Evaluation of a screening: dark discs on a bright background, found by a threshold and a small classifier."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from cytopipe import paths
from cytopipe.adapters.base import AnnotatedCell, AnnotatedField
from cytopipe.errors import CytopipeError
from cytopipe.models.folder import save_model
from cytopipe.models.inference.predictor import Predictor
from cytopipe.models.registry import build
from cytopipe.results.model_spec import ModelSpec
from cytopipe.screening.score import load_detector, screen_fields

CPU = torch.device("cpu")
SIDE = 128  # of the fields, and of the threshold's window
PLACES = ((30, 34), (88, 40), (60, 96))  # x, y of the cells
RADIUS, NUCLEUS = 14, 5
SIZES = {"overlap": 0.0}


def circle(x: int, y: int, radius: int) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)


@pytest.fixture
def fields(tmp_path: Path) -> list[AnnotatedField]:
    """Two fields; in the second one, the last cell is not annotated."""
    image = np.full((SIDE, SIDE, 3), 230, np.uint8)
    for place in PLACES:
        cv2.circle(image, place, RADIUS, (150, 140, 160), cv2.FILLED)
        cv2.circle(image, place, NUCLEUS, (40, 30, 60), cv2.FILLED)
    found = []
    for name, count in (("one", 3), ("two", 2)):
        Image.fromarray(image).save(tmp_path / f"{name}.bmp")
        cells = tuple(
            AnnotatedCell(f"{name}_{number}", "good", circle(*place, RADIUS), circle(*place, NUCLEUS))
            for number, place in enumerate(PLACES[:count])
        )
        found.append(AnnotatedField(name, tmp_path / f"{name}.bmp", name, cells))
    return found


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Model folders of a threshold and of a classifier that predicts `good` for everything."""
    monkeypatch.chdir(tmp_path)
    common = {"channels": "rgb", "mean": (0.5,) * 3, "std": (0.25,) * 3, "training_data_sha256": "0" * 64}
    view = {"view": "tiles", "input_size": SIDE, "scale": 1.0, "overlap": 0.0}
    spec = ModelSpec(
        task="segmentation",
        architecture="otsu",
        arguments={},
        classes=("cyt", "nuc"),
        input_size=SIDE,
        view=view,
        typical_sizes={"cell_side": 2.0 * RADIUS},
        **common,
    )
    save_model(paths.segmenter("otsu").model, build("otsu"), spec)
    arguments = {"num_classes": 2, "in_channels": 3, "input_size": 24}
    torch.manual_seed(0)
    network = build("cell_background", **arguments)
    *_, last = network.modules()
    assert isinstance(last, torch.nn.Linear)
    torch.nn.init.zeros_(last.weight)
    last.bias.data = torch.tensor([0.0, 5.0])
    decisions = {"temperature": 1.0, "confidence_threshold": 0.6, "abnormal": [], "thresholds": []}
    spec = ModelSpec(
        task="classification",
        architecture="cell_background",
        arguments=arguments,
        classes=("bad", "good"),
        input_size=24,
        decision_rule=decisions,
        **common,
    )
    save_model(paths.classifier("net").model, network, spec)


@pytest.mark.usefixtures("models")
def test_discs_are_found_counted_and_named(fields: list[AnnotatedField]) -> None:
    detector = load_detector(paths.segmenter("otsu"), CPU, SIZES)
    result = screen_fields(fields, detector, Predictor.load(paths.classifier("net").model, CPU), 0.05)
    assert [field.id for field in result.fields] == ["one", "two"]
    assert [(field.height, field.width) for field in result.fields] == [(SIDE, SIDE)] * 2
    details = result.details
    assert details.boxes["recall"].value == details.contours["recall"].value == 1
    assert details.boxes["precision"].value == pytest.approx(5 / 6)  # one is not annotated
    assert (details.contours["mean_iou"].value or 0) > 0.9
    assert details.count["mean_error"].value == 0.5
    assert details.naming["accuracy"].value == 1 and details.per_class["bad"].cells == 0


@pytest.mark.usefixtures("models")
def test_a_class_that_the_classifier_does_not_know_is_refused(fields: list[AnnotatedField]) -> None:
    strange = AnnotatedField("x", fields[0].image, "x", (AnnotatedCell("y", "odd", *[circle(30, 30, 9)] * 2),))
    detector = load_detector(paths.segmenter("otsu"), CPU, SIZES)
    predictor = Predictor.load(paths.classifier("net").model, CPU)
    with pytest.raises(CytopipeError, match=r"no class 'odd', which the fields show\n  -> .* this knows bad, good"):
        screen_fields([strange], detector, predictor, 0.05)


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        (paths.segmenter("otsu"), {"scal": 1.0}, "SegmenterDetector: unknown argument 'scal'\n  -> did you mean scale"),
        (
            paths.segmenter("otsu"),
            {"scale": "1"},
            "SegmenterDetector: argument 'scale': Input should be a valid number",
        ),
        (paths.segmenter("otsu"), {"folder": "x"}, "SegmenterDetector: unknown argument 'folder'"),
        (paths.classifier("net"), {"reach": [1]}, "PatchDetector: argument 'reach'"),
        (paths.classifier("net"), {}, "no classifier of RGB patches with a class 'cell'"),
        (paths.Trained("segmenters", "../classifiers/net"), {}, "a classifier, not a segmenter"),
    ],
)
def test_a_detector_that_cannot_be_made_says_why(
    model: paths.Trained, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(CytopipeError) as error:
        load_detector(model, CPU, arguments)
    assert message in str(error.value)
