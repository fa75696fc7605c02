from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cytopipe.core.params import SPLITS, Explain
from cytopipe.data.manifest import Row, write_manifest
from cytopipe.errors import CytopipeError
from cytopipe.evaluation.classifier.evaluate import evaluate
from cytopipe.explain.attribution import METHODS
from cytopipe.explain.explain import explain
from cytopipe.explain.outputs import Explanations
from cytopipe.models.files import FOLDS, fold_part
from cytopipe.models.folder import save_model
from cytopipe.models.registry import build
from cytopipe.results.model_spec import ModelSpec
from cytopipe.results.predictions import Predictions

CPU = torch.device("cpu")
CLASSES = ("a", "b")
OPTIONS = Explain(images=2, steps=4, baselines=2)
ABOUT = {"classifier": "c", "dataset": "d"}
SIDE = 32


@pytest.fixture
def tensors(tmp_path: Path) -> Path:
    """Twelve images per split, of two classes in four groups, each with a cell and a nucleus."""
    folder = tmp_path / "tensors"
    folder.mkdir()
    rng, rows = np.random.default_rng(0), []
    for number, split in enumerate(SPLITS):
        items = rng.integers(0, 256, (12, SIDE, SIDE, 5), dtype=np.uint8)
        items[..., 3:] = 0
        items[:, 4:28, 4:28, 3], items[:, 12:20, 12:20, 4] = 255, 255
        np.save(folder / f"{split}.npy", items)
        rows += [
            Row(f"{number}{i:02}", "", CLASSES[i % 2], i % 2, split, f"g{number}{i // 3}", SIDE, SIDE, "0" * 64)
            for i in range(12)
        ]
    write_manifest(folder / "manifest.csv", rows)
    return folder


def save(folder: Path, seed: int = 0, channels: str = "rgb", **values: Any) -> Path:
    arguments = {"num_classes": 2, "in_channels": 5 if channels == "rgb+masks" else 3}
    torch.manual_seed(seed)
    network = build("timm/test_resnet", **arguments)
    torch.nn.init.normal_(network.get_parameter("fc.weight"), std=3)
    count = arguments["in_channels"]
    spec = ModelSpec(
        task="classification",
        architecture="timm/test_resnet",
        arguments=arguments,
        classes=CLASSES,
        channels=channels,
        input_size=SIDE,
        mean=(0.5,) * count,
        std=(0.2,) * count,
        training_data_sha256="0" * 64,
        decision_rule={"temperature": 1, "confidence_threshold": 0.0},
        **values,
    )
    save_model(folder, network, spec)
    return folder


def explained(model: Path, tensors: Path, options: Explain = OPTIONS) -> Explanations:
    predictions = model.parent / "predictions.csv"
    evaluate(model, tensors, "d", CPU).predictions.write(predictions)
    return explain(model, tensors, predictions, ABOUT, options, CPU)


def test_every_method_is_measured(tensors: Path, tmp_path: Path) -> None:
    found = explained(save(tmp_path / "model"), tensors)
    content = found.details.plain
    assert content["methods"] == list(METHODS) and content["skipped"] == {}
    assert 4 <= len(content["images"]) <= 8
    for one in content["images"]:
        assert one["correct"] == (one["label"] == one["predicted"])
        for shares in one["shares"].values():
            assert sum(shares.values()) == pytest.approx(1)
    assert content["measured"] == {"shares": 12, "curves": 8}
    assert list(content["shares"]) == list(CLASSES) and list(content["shares"]["a"]) == list(METHODS)
    assert content["area_shares"]["a"]["nucleus"]["mean"] == pytest.approx(64 / SIDE**2)
    for kind in ("deletion", "insertion"):
        assert list(content[kind]) == list(METHODS)
        assert all(0 <= one["auc"] <= 1 for one in content[kind].values())
    assert set(content["randomisation"]) == set(METHODS)
    assert all(-1 <= one["correlation"] <= 1 for one in content["randomisation"].values())
    json.dumps(content, allow_nan=False)


def test_the_same_bytes_every_time(tensors: Path, tmp_path: Path) -> None:
    one, two = (explained(save(tmp_path / "model"), tensors) for _ in range(2))
    assert json.dumps(one.details.plain) == json.dumps(two.details.plain)
    for name, found in (("one", one), ("two", two)):
        (tmp_path / name).mkdir()
        found.write_panels(tmp_path / name)
        found.write_plots(tmp_path / name, tmp_path / name)
    files = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert len(files) == len(one.shown) + 5
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in files)


@pytest.mark.parametrize("channels", ["rgb+masks", "masked"])
def test_other_channels_are_explained_too(tensors: Path, tmp_path: Path, channels: str) -> None:
    found = explained(save(tmp_path / "model", channels=channels), tensors)
    assert found.shown[0].maps["grad_cam"].shape == (SIDE, SIDE)
    black = found.details.plain["shares"]["a"]["integrated_gradients_black"]["background"]["mean"]
    assert (black == 0) == (channels == "masked")  # a network that sees no background attributes nothing to it


def test_maps_have_the_size_of_the_networks_input(tensors: Path, tmp_path: Path) -> None:
    found = explained(save(tmp_path / "model", network_size=48), tensors)
    assert found.shown[0].maps["grad_cam"].shape == (48, 48)
    assert found.details.plain["area_shares"]["b"]["nucleus"]["mean"] == pytest.approx(64 / SIDE**2)


def test_each_image_of_a_model_with_folds_is_explained_by_its_own_network(tensors: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    for fold in range(2):
        save(model / fold_part(fold), seed=fold)
    ids = [f"{number}{i:02}" for number in range(3) for i in range(12)]
    (model / FOLDS).write_text(json.dumps({id_: place % 2 for place, id_ in enumerate(ids)}))
    options = Explain(images=18, steps=2, baselines=2)
    found = explained(model, tensors, options)
    assert sorted(one.prediction.id for one in found.shown) == ids  # images of every split are tested
    # The networks alone, on the test split: an image's map is that of its fold's network.
    alone = [explained(save(tmp_path / f"{fold}/model", seed=fold), tensors, options) for fold in range(2)]
    known = [{one.prediction.id: one for one in single.shown} for single in alone]
    compared = 0
    for one in found.shown:
        fold = ids.index(one.prediction.id) % 2
        if (same := known[fold].get(one.prediction.id)) is not None:
            np.testing.assert_allclose(
                one.maps["integrated_gradients_black"], same.maps["integrated_gradients_black"], rtol=1e-2, atol=1e-5
            )
            assert (one.prediction.id, one.prediction.predicted) == (same.prediction.id, same.prediction.predicted)
            assert one.prediction.confidence == pytest.approx(same.prediction.confidence, rel=1e-4)
            compared += 1
    assert compared == 12


def test_the_class_predicted_with_test_time_augmentation_is_explained(tensors: Path, tmp_path: Path) -> None:
    model = save(tmp_path / "model", tta=8)
    found = explained(model, tensors)
    written = {row.id: row for row in evaluate(model, tensors, "d", CPU).predictions.rows}
    for one in found.details.plain["images"]:
        assert one["predicted"] == written[one["id"]].predicted
        assert one["probability"] == pytest.approx(written[one["id"]].confidence, rel=1e-5)


def test_predictions_of_other_images_are_an_error(tensors: Path, tmp_path: Path) -> None:
    model, predictions = save(tmp_path / "model"), tmp_path / "predictions.csv"
    table = evaluate(model, tensors, "d", CPU).predictions
    Predictions.of(table.classes, table.rows[1:]).write(predictions)
    with pytest.raises(CytopipeError, match="run evaluate again"):
        explain(model, tensors, predictions, ABOUT, OPTIONS, CPU)


def test_folds_of_other_images_are_an_error(tensors: Path, tmp_path: Path) -> None:
    model, predictions = tmp_path / "model", tmp_path / "predictions.csv"
    save(model / fold_part(0))
    ids = [f"{number}{i:02}" for number in range(3) for i in range(12)]
    (model / FOLDS).write_text(json.dumps(dict.fromkeys(ids, 0)))
    evaluate(model, tensors, "d", CPU).predictions.write(predictions)
    (model / FOLDS).write_text(json.dumps(dict.fromkeys(ids[1:], 0)))
    with pytest.raises(CytopipeError, match=r"'000' is in no fold\n.*train the model again"):
        explain(model, tensors, predictions, ABOUT, OPTIONS, CPU)
