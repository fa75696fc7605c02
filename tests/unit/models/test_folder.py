from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cytopipe.errors import CytopipeError
from cytopipe.models.folder import load_model, save_model
from cytopipe.models.heads import build_classifier, head_of
from cytopipe.models.registry import build, count_parameters
from cytopipe.results.model_spec import ModelSpec

FILES = ("model.json", "weights.safetensors")


def spec(**changes: Any) -> ModelSpec:
    fields: dict[str, Any] = {
        "task": "classification",
        "architecture": "convnext_token_attention",
        "arguments": {"num_classes": 2, "backbone": "test_convnext", "widths": (16, 8)},
        "classes": ("abnormal", "Zürich"),
        "channels": "rgb+masks",
        "input_size": 64,
        "mean": (0.485, 0.456, 0.406, 0.0, 0.0),
        "std": (0.229, 0.224, 0.225, 1.0, 1.0),
        "training_data_sha256": "0" * 64,
        "decision_rule": {"temperature": 1.5},
    }
    return ModelSpec(**{**fields, **changes})


def images() -> Tensor:
    return torch.rand(2, 5, 64, 64, generator=torch.Generator().manual_seed(0))


def model_after_a_step() -> nn.Module:
    torch.manual_seed(0)
    model = build(spec().architecture, **spec().arguments)
    model(images())
    return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(tmp_path / "models" / "m", model_after_a_step(), spec())
    return tmp_path / "models" / "m"


def rewrite(folder: Path, name: str, data: bytes) -> None:
    """Replace a file and its checksum, so that the checksum is right."""
    (folder / name).write_bytes(data)
    lines = [f"{hashlib.sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in FILES]
    (folder / "SHA256SUMS").write_text("".join(lines))


def test_a_loaded_model_gives_equal_outputs_and_has_every_buffer(folder: Path) -> None:
    original = model_after_a_step()
    loaded, loaded_spec = load_model(folder)
    assert loaded_spec == spec()
    assert not loaded.training
    expected = original.state_dict()
    assert list(loaded.state_dict()) == list(expected)
    assert all(torch.equal(expected[key], tensor) for key, tensor in loaded.state_dict().items())
    assert int(loaded.get_buffer("embed.1.num_batches_tracked")) == 1
    assert torch.equal(loaded(images()), original.eval()(images()))


def test_equal_models_give_equal_bytes(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    arguments = {"widths": [16, 8], "backbone": "test_convnext", "num_classes": 2}
    shuffled = spec(arguments=arguments)
    save_model(again, model_after_a_step().to(memory_format=torch.channels_last), shuffled)
    third = tmp_path / "third"
    save_model(third, *load_model(folder))
    for name in (*FILES, "SHA256SUMS"):
        assert (folder / name).read_bytes() == (again / name).read_bytes() == (third / name).read_bytes()


def test_model_json_is_readable_in_a_fixed_order(folder: Path) -> None:
    text = (folder / "model.json").read_text(encoding="utf-8")
    assert text.endswith("}\n") and "Zürich" in text
    keys = list(json.loads(text))
    assert keys == [name for name in ModelSpec.model_fields if name in keys]
    assert list(json.loads(text)["arguments"]) == ["backbone", "num_classes", "widths"]
    assert "null" not in text and "view" not in keys


def test_sums_are_in_the_format_of_sha256sum(folder: Path) -> None:
    lines = [f"{hashlib.sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in FILES]
    assert (folder / "SHA256SUMS").read_text() == "".join(lines)


def test_tied_weights_are_saved(tmp_path: Path) -> None:
    tied = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    tied[1].weight = tied[0].weight
    save_model(tmp_path, tied, spec())
    assert len(load_file(tmp_path / "weights.safetensors")) == 4


def test_loading_does_not_advance_the_random_generator(folder: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load_model(folder)
    assert torch.equal(torch.rand(3), expected)


def test_head_activation_and_freezing_survive_the_folder(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"head": "mlp", "activation": "mish", "freeze": True}
    arguments = spec().arguments
    model = build_classifier(spec().architecture, arguments, **changes).eval()
    given = spec(**changes, network_size=32, tta=8)
    save_model(tmp_path, model, given)
    loaded, loaded_spec = load_model(tmp_path)
    assert loaded_spec == given and (loaded_spec.network_size, loaded_spec.tta) == (32, 8)
    assert torch.equal(loaded(images()), model(images()))
    assert count_parameters(loaded, trainable=True) == count_parameters(head_of(loaded)[1])


def test_fields_with_a_default_are_optional(folder: Path) -> None:
    content = json.loads((folder / "model.json").read_bytes())
    for key in ("head", "freeze", "tta"):
        del content[key]
    rewrite(folder, "model.json", json.dumps(content).encode())
    assert load_model(folder)[1] == spec()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0, 0.5, 1])
def test_a_flipped_bit_is_noticed(folder: Path, name: str, place: float) -> None:
    data = bytearray((folder / name).read_bytes())
    data[int(place * (len(data) - 1))] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(CytopipeError, match=f"{name}: does not match its checksum.*\n.*train the model again"):
        load_model(folder)


@pytest.mark.parametrize("name", [*FILES, "SHA256SUMS"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CytopipeError, match=f"{name}: cannot be read .No such file.*\n.*train the model again"):
        load_model(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match="absent: there is no such model folder"):
        load_model(tmp_path / "absent")


@pytest.mark.parametrize("name", ["../weights.safetensors", "/etc/passwd", "a\\b", "..", ""])
def test_a_file_name_with_a_path_is_refused(folder: Path, name: str) -> None:
    with (folder / "SHA256SUMS").open("a") as sums:
        sums.write(f"{'0' * 64}  {name}\n")
    with pytest.raises(CytopipeError, match=r"SHA256SUMS:3: .* is not a plain file name"):
        load_model(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_file_without_a_checksum_is_not_used(folder: Path, name: str) -> None:
    sums = folder / "SHA256SUMS"
    sums.write_text("".join(line for line in sums.read_text().splitlines(True) if name not in line))
    with pytest.raises(CytopipeError, match=f"SHA256SUMS: {name} is not listed"):
        load_model(folder)


def test_further_files_that_are_listed_are_verified(folder: Path) -> None:
    (folder / "notes.txt").write_text("seen")
    with (folder / "SHA256SUMS").open("a") as sums:
        sums.write(f"{hashlib.sha256(b'seen').hexdigest()}  notes.txt\n")
    load_model(folder)
    (folder / "notes.txt").write_text("changed")
    with pytest.raises(CytopipeError, match=r"notes.txt: does not match"):
        load_model(folder)


def test_a_pickle_with_a_right_checksum_is_not_loaded(folder: Path) -> None:
    rewrite(folder, "weights.safetensors", pickle.dumps({"weight": 1}))
    with pytest.raises(CytopipeError, match=r"weights.safetensors: holds a pickle"):
        load_model(folder)


def test_the_first_weight_that_does_not_fit_is_named(folder: Path) -> None:
    state = load_file(folder / "weights.safetensors")
    state["norm.weight"] = torch.zeros(3)
    save_file(state, folder / "weights.safetensors")
    rewrite(folder, "weights.safetensors", (folder / "weights.safetensors").read_bytes())
    with pytest.raises(CytopipeError, match=r"norm.weight is \(3,\) in the file and \(16,\) in the model"):
        load_model(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "convnext_token_atention"}, "did you mean convnext_token_attention"),
        ({"arguments": {"num_clases": 2}}, "unknown argument 'num_clases'"),
        ({"channels": "grey"}, "model.json: channels"),
        ({"mean": [0.5]}, "model.json: model: .*needs 5 values"),
        ({"head": "svc"}, "model.json: head: Input should be 'own'"),
        ({"version": 2}, "model.json: unknown key 'version'\n.*another version of cytopipe"),
    ],
)
def test_a_wrong_entry_of_model_json_is_named(folder: Path, change: dict[str, Any], message: str) -> None:
    content = {**json.loads((folder / "model.json").read_bytes()), **change}
    rewrite(folder, "model.json", json.dumps(content).encode())
    with pytest.raises(CytopipeError, match=message):
        load_model(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"std": (1.0, 1.0, 1.0, 1.0, 0.0)},
        {"mean": (float("nan"),) * 5},
        {"classes": ()},
        {"training_data_sha256": "unknown"},
        {"arguments": {"path": Path("x")}},
        {"arguments": {"loss": float("nan")}},
        {"decision_rule": {"temperature": float("inf")}},
        {"num_threads": 0},
        {"task": "segmentation"},  # without a view
        {"view": {"view": "whole", "input_size": 32}},  # of a classifier
    ],
)
def test_a_specification_that_could_not_be_read_back_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        spec(**changes)


def test_a_specification_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        spec().input_size = 32  # type: ignore[misc]  # the point of the test
