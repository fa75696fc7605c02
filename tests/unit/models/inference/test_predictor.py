"""Predictions from a model folder equal those of the stages of the pipeline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cytopipe.data.tensors import make_item
from cytopipe.errors import CytopipeError
from cytopipe.models.bundle import copy_segmenter, example_images
from cytopipe.models.files import examples_of, model_id
from cytopipe.models.folder import save_model
from cytopipe.models.inference.classify import class_probabilities, input_transform
from cytopipe.models.inference.predictor import Predictor
from cytopipe.models.inference.segment import Segmentation
from cytopipe.models.registry import build
from cytopipe.results.model_spec import ModelSpec
from made_otsu import write_otsu

SIDE = 24
CPU = torch.device("cpu")
DECISIONS = {"temperature": 2.0, "confidence_threshold": 0.6, "abnormal": ["bad"], "thresholds": []}


def classifier_spec(channels: str = "rgb+masks", **changes: object) -> ModelSpec:
    count = 3 if channels == "rgb" else 5
    given = {
        "task": "classification",
        "architecture": "cell_background",
        "arguments": {"num_classes": 2, "in_channels": count, "input_size": SIDE},
        "classes": ("bad", "good"),
        "channels": channels,
        "input_size": SIDE,
        "mean": (0.5,) * count,
        "std": (0.25,) * count,
        "training_data_sha256": "0" * 64,
        "decision_rule": DECISIONS,
    }
    return ModelSpec.model_validate({**given, **changes})


def write_segmenter(folder: Path) -> Path:
    return write_otsu(folder, "whole", 32)


def write_classifier(folder: Path, segmenter: Path | None, spec: ModelSpec | None = None) -> Path:
    torch.manual_seed(3)
    spec = spec or classifier_spec()
    save_model(folder, build("cell_background", **spec.arguments), spec)
    if segmenter:
        copy_segmenter(segmenter, folder / "segmenter")
    return folder


@pytest.fixture
def images() -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [rng.integers(0, 256, (height, width, 3), np.uint8) for height, width in [(24, 24), (40, 30), (19, 61)] * 3]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_classifier(tmp_path / "model", write_segmenter(tmp_path / "otsu"))


def test_an_image_is_processed_as_in_the_pipeline(model: Path, images: list[np.ndarray]) -> None:
    predictor = Predictor.load(model, CPU)
    masks = list(Segmentation.load(model / "segmenter", CPU).masks(images))
    items = np.stack([make_item(image, mask, SIDE) for image, mask in zip(images, masks, strict=True)])
    expected = class_probabilities(predictor.model, input_transform(predictor.spec, CPU), items)
    found = list(predictor(images))
    assert np.array_equal([one.probabilities for one in found], expected)
    for one, mask in zip(found, masks, strict=True):
        assert one.mask is not None and np.array_equal(one.mask, mask)
    assert [one.predicted for one in found] == [("bad", "good")[row.argmax()] for row in expected]


def test_confidence_is_calibrated_and_compared_with_the_threshold(model: Path, images: list[np.ndarray]) -> None:
    for one in Predictor.load(model, CPU)(images):
        roots = np.sqrt(one.probabilities)  # a temperature of 2
        assert one.confidence == pytest.approx((roots / roots.sum()).max())
        assert one.abnormal == pytest.approx((roots / roots.sum())[0])
        assert one.uncertain == (one.confidence < 0.6)


def test_without_a_threshold_every_image_is_uncertain(tmp_path: Path, images: list[np.ndarray]) -> None:
    spec = classifier_spec("rgb", decision_rule={"temperature": 0.001, "confidence_threshold": None})
    found = list(Predictor.load(write_classifier(tmp_path / "m", None, spec), CPU)(images))
    assert all(one.uncertain and one.mask is None and one.abnormal is None for one in found)


def test_batches_keep_the_order_and_do_not_change_the_predictions(model: Path, images: list[np.ndarray]) -> None:
    predictor = Predictor.load(model, CPU)
    whole = [one.probabilities for one in predictor(images)]
    predictor.batch_size = 2
    assert np.allclose([one.probabilities for one in predictor(iter(images))], whole, atol=1e-6)


def test_few_images_are_read_ahead(model: Path, images: list[np.ndarray]) -> None:
    predictor = Predictor.load(model, CPU)
    predictor.batch_size = 2
    waiting = iter(images)
    next(predictor(waiting))
    assert len(list(waiting)) == len(images) - 2


def test_a_folder_without_its_segmenter_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "m", None)
    with pytest.raises(CytopipeError, match=r"holds no segmenter\n.*--segmenter"):
        Predictor.load(folder, CPU)
    assert Predictor.load(folder, CPU, write_segmenter(tmp_path / "s")).segmentation


def test_a_fold_uses_the_segmenter_of_the_whole_folder(tmp_path: Path, images: list[np.ndarray]) -> None:
    write_classifier(tmp_path / "m/folds/0", None)
    copy_segmenter(write_segmenter(tmp_path / "s"), tmp_path / "m/segmenter")
    assert len(list(Predictor.load(tmp_path / "m/folds/0", CPU)(images))) == len(images)


def test_segmenters_and_folds_without_a_rule_of_their_mean_are_rejected(tmp_path: Path) -> None:
    segmenter = write_segmenter(tmp_path / "s")
    with pytest.raises(CytopipeError, match="is a segmenter, not a classifier"):
        Predictor.load(segmenter, CPU)
    (tmp_path / "m").mkdir()
    (tmp_path / "m/folds.json").write_text('{"a": 0}')
    with pytest.raises(CytopipeError, match=r"a network for each fold.*\n.*train it again.*folds/0"):
        Predictor.load(tmp_path / "m", CPU)


def test_examples_are_the_first_image_of_each_class_and_stored_with_the_model(tmp_path: Path) -> None:
    items = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, SIDE, SIDE, 5), np.uint8)
    examples = example_images(items, [1, 0, 1, 0])
    spec = classifier_spec()
    save_model(tmp_path, build("cell_background", **spec.arguments), spec, examples)
    from cytopipe.data.imaging.decode import read_rgb

    assert [int(read_rgb(path)[0].max()) for path in examples_of(tmp_path)] == [1, 0]
    assert "example_1.png" in (tmp_path / "SHA256SUMS").read_text()


def test_the_identity_covers_classifier_and_segmenter(tmp_path: Path) -> None:
    segmenter = write_segmenter(tmp_path / "s")
    alone = model_id(write_classifier(tmp_path / "a", None))
    assert model_id(write_classifier(tmp_path / "b", None)) == alone
    both = model_id(write_classifier(tmp_path / "c", segmenter))
    assert both != alone
    assert model_id(tmp_path / "a", segmenter) == both
    # A part is masked by the segmenter of the whole.
    assert model_id(write_classifier(tmp_path / "c/folds/0", None)) == both
    with pytest.raises(CytopipeError, match="not a model folder"):
        model_id(tmp_path)
