"""Contents and results of an exported file in ONNX Runtime, and exports that are rejected."""

from __future__ import annotations

import copy
import dataclasses
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import cytopipe
from cytopipe.data.imaging.decode import read_rgb
from cytopipe.deploy.onnx import PACKAGES, convert, require_packages
from cytopipe.deploy.onnx.export import Exported, example_paths, open_source, time_export, to_checked_onnx
from cytopipe.errors import CytopipeError
from cytopipe.models.files import model_id
from cytopipe.models.folder import load_model, save_model
from cytopipe.models.inference.predictor import Predictor
from cytopipe.results.ensemble import Kind
from fixture_types import SaveModel
from made_ensemble import RULE, make_ensemble

PATCH = ("cell_background", {"width": 4, "hidden": 8}, 20)
UNET = ("attention_unet", {"encoder": "test_convnext", "decoder_widths": [8, 8, 4]}, 32)


@pytest.fixture
def model(make_model: SaveModel) -> Path:
    return make_model(*PATCH, channels="masked")


def export(folder: Path, images: list[Path], **options: float) -> Exported:
    return to_checked_onnx(open_source(folder), folder, images, **options)


def session_of(exported: Exported) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(exported.data, providers=["CPUExecutionProvider"])


def test_the_metadata_suffice_to_use_the_file(model: Path, images: list[Path]) -> None:
    about = session_of(export(model, images)).get_modelmeta()
    assert about.custom_metadata_map == {
        "task": "classification",
        "architecture": "cell_background",
        "channels": "masked",
        "input_size": "20",
        "classes": '["bad", "good", "große Zelle"]',
        "temperature": "0.7",
        "confidence_threshold": "0.6",
        "abnormal": '["bad"]',
        "thresholds": '[{"specificity": 0.9, "score": 0.25}, {"specificity": 0.95, "score": 0.5}]',
        "training_data_sha256": "ab" * 32,
        "model": model_id(model),
        "cytopipe": cytopipe.__version__,
    }
    assert "N x 20 x 20 x 5 uint8" in about.description
    assert about.producer_name == "cytopipe"


def test_the_file_is_valid_and_self_contained_and_reveals_no_paths(
    model: Path, images: list[Path], tmp_path: Path
) -> None:
    data = export(model, images).data
    proto = onnx.load_from_string(data)
    onnx.checker.check_model(proto, full_check=True)
    assert not any(tensor.data_location for tensor in proto.graph.initializer)
    for trace in (b"site-packages", b".py", str(tmp_path).encode(), str(Path(__file__).parents[4]).encode()):
        assert trace not in data


def test_one_file_takes_batches_of_any_size(model: Path, images: list[Path]) -> None:
    session = session_of(export(model, images))
    (given,) = session.get_inputs()
    assert (given.name, given.type, given.shape) == ("images", "tensor(uint8)", ["N", 20, 20, 5])
    assert [(one.name, one.type, one.shape) for one in session.get_outputs()] == [
        ("probabilities", "tensor(float)", ["N", 3]),
        ("calibrated", "tensor(float)", ["N", 3]),
    ]
    items = np.random.default_rng(0).integers(0, 256, (70, 20, 20, 5), np.uint8)
    whole, _ = session.run(None, {"images": items})
    for size in (1, 3, 64):
        parts = [session.run(None, {"images": items[at : at + size]})[0] for at in range(0, 70, size)]
        assert np.allclose(np.concatenate(parts), whole, atol=1e-6)


def test_outputs_equal_those_of_the_predictor(model: Path, images: list[Path]) -> None:
    session = session_of(export(model, images))
    for one in Predictor.load(model, torch.device("cpu"))(read_rgb(path)[0] for path in images):
        probabilities, calibrated = session.run(None, {"images": one.item[None]})
        assert np.allclose(probabilities[0], one.probabilities, atol=1e-6)
        assert calibrated.max() == pytest.approx(one.confidence, abs=1e-6)


@pytest.mark.parametrize("temperature", [0.05, 30.0])
def test_calibrated_probabilities_agree_at_extreme_temperatures(
    temperature: float, make_model: SaveModel, images: list[Path]
) -> None:
    decisions = {"temperature": temperature, "confidence_threshold": None}
    exported = export(make_model(*PATCH, decision_rule=decisions, strength=0.5), images)
    assert exported.metadata["confidence_threshold"] == "null"
    items = np.stack([np.full((20, 20, 3), value, np.uint8) for value in (0, 90, 255)])
    probabilities, calibrated = session_of(exported).run(None, {"images": items})
    expected = np.clip(probabilities.astype(float), 1e-12, 1) ** (1 / temperature)
    assert np.allclose(calibrated, expected / expected.sum(axis=1, keepdims=True), atol=1e-5)


def test_a_segmenters_file_holds_its_view(make_model: SaveModel, images: list[Path]) -> None:
    view = {"view": "tiles", "scale": 0.5, "overlap": 0.25, "one_cell": True}
    folder = make_model(*UNET, view=view)
    session = session_of(export(folder, images))
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["view"]) == {**view, "input_size": 32, "tta": 1}
    assert (about["task"], about["classes"], about["input_size"]) == ("segmentation", '["cell", "nucleus"]', "32")
    assert about["model"] == model_id(folder)
    assert [one.shape for one in session.get_outputs()] == [["N", 32, 32, 2]]


def test_equal_models_give_equal_bytes(model: Path, images: list[Path]) -> None:
    first = export(model, images).data
    assert export(model, images[:1]).data == first


def test_a_file_that_disagrees_is_rejected(model: Path, images: list[Path]) -> None:
    source = open_source(model)
    source.graph = copy.deepcopy(source.graph)
    with torch.no_grad():
        next(source.graph.parameters()).mul_(1.01)
    with pytest.raises(CytopipeError, match=r"differ by .* on real images; 0.0001 is accepted\n.*nothing was written"):
        to_checked_onnx(source, model, images)
    assert to_checked_onnx(source, model, images, tolerance=1.0).real.difference > 1e-4


def test_a_tolerance_of_zero_accepts_nothing(model: Path, images: list[Path]) -> None:
    with pytest.raises(CytopipeError, match="0 is accepted"):
        export(model, images, tolerance=0)


def test_an_unreadable_image_is_named(model: Path, images: list[Path]) -> None:
    images[1].write_text("no image")
    with pytest.raises(CytopipeError, match=r"1\.png"):
        export(model, images)


@pytest.mark.parametrize(("kind", "tta"), [("folds", 1), ("seeds", 8)])
def test_several_networks_become_one_file_that_averages_them(
    kind: Kind, tta: int, make_model: SaveModel, images: list[Path], tmp_path: Path
) -> None:
    def save(folder: Path, number: int) -> None:
        # Weights far apart, so that the mean is none of them.
        made = make_model(*PATCH, name=f"m{number}", strength=0.1 + 0.2 * number, tta=tta)
        save_model(folder, *load_model(made))

    folder = make_ensemble(tmp_path / "whole", save, kind)
    exported = export(folder, images)
    assert exported.real.difference < 1e-6 and exported.noise.difference < 1e-6 and exported.real.agreement == 1
    about = session_of(exported).get_modelmeta()
    rule = {"temperature": "1.5", "confidence_threshold": repr(RULE.confidence_threshold), "networks": "3"}
    assert rule.items() | {("model", model_id(folder))} <= about.custom_metadata_map.items()
    assert "the mean of those of 3 networks" in about.description
    alone = session_of(export(tmp_path / "m0", images))
    for one in Predictor.load(folder, torch.device("cpu"))(read_rgb(path)[0] for path in images):
        items = {"images": one.item[None, ..., :3]}
        probabilities, calibrated = session_of(exported).run(None, items)
        assert np.allclose(probabilities[0], one.probabilities, atol=1e-6)
        assert calibrated.max() == pytest.approx(one.confidence, abs=1e-6)
        assert not np.allclose(probabilities, alone.run(None, items)[0], atol=1e-3)


def test_folds_of_an_earlier_version_are_an_error_and_each_is_exported(make_model: SaveModel, tmp_path: Path) -> None:
    shutil.copytree(make_model(*PATCH), tmp_path / "folded/folds/0")
    (tmp_path / "folded/folds.json").write_text('{"a": 0}')
    with pytest.raises(CytopipeError, match=r"a network for each fold.*\n.*folds/0"):
        open_source(tmp_path / "folded")
    assert open_source(tmp_path / "folded/folds/0").metadata["task"] == "classification"


def test_the_main_network_of_a_segmenter_with_folds_is_exported(make_model: SaveModel) -> None:
    folder = make_model(*UNET, view={"view": "whole"})
    (folder / "folds.json").write_text("{}")
    assert open_source(folder).metadata["task"] == "segmentation"


def test_otsu_cannot_be_exported(make_model: SaveModel) -> None:
    with pytest.raises(CytopipeError, match=r"otsu: this is no network.*OpenCV.*\n.*otsu\.py"):
        open_source(make_model("otsu", {}, 20, view={"view": "whole"}))


def test_a_network_too_large_for_one_file_is_rejected(
    model: Path, images: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "LARGEST", 1000)
    with pytest.raises(CytopipeError, match="larger than the 2 GB"):
        export(model, images)


def test_a_network_that_torch_cannot_convert_is_an_error_of_one_line() -> None:
    class Sorts(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.float() if images.sum() > 0 else images.double()

    with pytest.raises(CytopipeError, match=r"torch cannot translate this network to ONNX: .*\n  -> --debug") as fault:
        convert.to_onnx(Sorts(), np.zeros((2, 4, 4, 3), np.uint8), ("probabilities",), {}, "")
    assert str(fault.value).count("\n") == 1


@pytest.mark.parametrize("name", PACKAGES)
def test_a_missing_package_is_named_with_the_command(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    require_packages()
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(CytopipeError, match=rf"not installed: {name}\n.*pip install {name} "):
        require_packages()


def test_examples_come_from_the_whole_folder(make_model: SaveModel, images: list[Path], tmp_path: Path) -> None:
    folder = make_model(*PATCH)
    for part in ("segmenter", "folds/0", "seeds/1"):
        (folder / part).mkdir(parents=True)
    with pytest.raises(CytopipeError, match=r"no example images.*\n.*--images"):
        example_paths(folder)
    for number in (10, 9):
        shutil.copy(images[0], folder / f"example_{number}.png")
    for place in (folder, folder / "segmenter", folder / "folds/0", folder / "seeds/1"):
        assert [path.name for path in example_paths(place)] == ["example_9.png", "example_10.png"]


def test_both_sides_are_timed_on_single_images_and_batches(model: Path, images: list[Path]) -> None:
    timings = time_export(open_source(model), export(model, images).data)
    assert list(timings) == [1, 32]
    for timing in timings.values():
        assert min(dataclasses.astuple(timing)) > 0
        assert timing.ratio == pytest.approx(timing.torch_ms / timing.onnx_ms)
