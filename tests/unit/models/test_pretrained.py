from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cytopipe.core.params import HUB_WEIGHTS, RANDOM_WEIGHTS
from cytopipe.errors import CytopipeError
from cytopipe.models.heads import build_classifier, head_of
from cytopipe.models.pretrained import Normalisation, load_pretrained
from cytopipe.models.registry import build

ROOT = Path(__file__).resolve().parents[3]
IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def saved(folder: Path, state: dict[str, Tensor]) -> Path:
    path = folder / "source.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, path)
    return path


def plain_state(name: str = "test_convnext") -> dict[str, Tensor]:
    torch.manual_seed(1)
    return dict(timm.create_model(name, num_classes=10).state_dict())


@pytest.fixture
def mobilenet() -> Path:
    datasets = Path(os.environ.get("CYTOPIPE_DATASETS", ROOT.parent / "shared" / "datasets"))
    path = datasets.parent / "weights" / "mobilenetv2_100_imagenet.safetensors"
    if not path.is_file():
        pytest.skip(f"real weights are absent: {path.name} is not in weights/ beside CYTOPIPE_DATASETS")
    return path


def test_random_weights_are_kept_with_the_normalisation_of_the_architecture() -> None:
    model = build("resnet18", num_classes=2)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    assert load_pretrained(model, RANDOM_WEIGHTS) == IMAGENET
    assert load_pretrained(model, RANDOM_WEIGHTS, normalisation=HALF) == HALF
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())


def test_a_plain_classifier_takes_a_file_of_its_own_size_whole(tmp_path: Path) -> None:
    state = plain_state()
    model = build("test_convnext", num_classes=10)
    config: Any = model.pretrained_cfg
    assert load_pretrained(model, saved(tmp_path, state)) == Normalisation(config["mean"], config["std"])
    assert all(torch.equal(state[key], tensor) for key, tensor in model.state_dict().items())


def test_a_head_of_another_size_is_left_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state = plain_state()
    model = build("test_convnext", num_classes=4)
    head = model.get_parameter("head.fc.weight").detach().clone()
    with caplog.at_level(logging.INFO, logger="cytopipe"):
        load_pretrained(model, saved(tmp_path, state))
    assert torch.equal(model.get_parameter("head.fc.weight"), head)
    assert torch.equal(model.get_parameter("head.norm.weight"), state["head.norm.weight"])
    assert "head.fc.weight is left as it is ((10, 64) in the file, (4, 64) in the model)" in caplog.text


@pytest.mark.parametrize("name", ["test_convnext", "mobilenetv2_100", "resnet18", "densenet121"])
@pytest.mark.parametrize(("architecture", "part"), [("attention_unet", "encoder"), ("convnext_attention", "backbone")])
def test_every_weight_of_the_encoder_comes_from_the_plain_model_s_file(
    tmp_path: Path, name: str, architecture: str, part: str
) -> None:
    # Every tensor has a value of its own, so that a wrong mapping cannot pass.
    state = {key: torch.full_like(t, i) for i, (key, t) in enumerate(plain_state(name).items())}
    model = build(architecture, **{part: name}, in_channels=3)
    encoder = getattr(model, part)
    load_pretrained(model, saved(tmp_path, state))
    by_dotted_key = {key.replace("_", "."): tensor for key, tensor in state.items()}
    for key, tensor in encoder.state_dict().items():
        assert torch.equal(tensor, by_dotted_key[key.replace("_", ".")]), key


@pytest.mark.parametrize("name", ["test_convnext", "test_vit"])
def test_a_bare_encoder_gives_the_plain_model_s_features(tmp_path: Path, name: str) -> None:
    plain: Any = timm.create_model(name).eval()
    encoder = timm.create_model(name, features_only=True).eval()
    load_pretrained(encoder, saved(tmp_path, dict(plain.state_dict())))
    x = torch.rand(1, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    expected = plain.forward_intermediates(x, norm=False, intermediates_only=True)
    assert torch.equal(encoder(x)[-1], expected[-1])


def test_five_channel_stem_repeats_the_rgb_weights_scaled_by_three_fifths(tmp_path: Path) -> None:
    state = plain_state()
    model = build("convnext_attention", backbone="test_convnext", in_channels=5)
    load_pretrained(model, saved(tmp_path, state))
    rgb, stem = state["stem.0.weight"], model.get_parameter("backbone.stem_0.weight")
    assert torch.allclose(stem, rgb[:, [0, 1, 2, 0, 1]] * 0.6)
    assert torch.equal(model.get_parameter("backbone.stem_0.bias"), state["stem.0.bias"])


def test_one_channel_stem_sums_the_rgb_weights(tmp_path: Path) -> None:
    state = plain_state()
    model = build("test_convnext", num_classes=10, in_channels=1)
    load_pretrained(model, saved(tmp_path, state))
    assert torch.allclose(model.get_parameter("stem.0.weight"), state["stem.0.weight"].sum(1, keepdim=True))


def mismatch(tmp_path: Path, model: nn.Module, state: dict[str, Tensor]) -> str:
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with pytest.raises(CytopipeError) as caught:
        load_pretrained(model, saved(tmp_path, state))
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())
    return str(caught.value)


def test_the_first_mismatch_is_named_with_both_shapes_and_nothing_is_loaded(tmp_path: Path) -> None:
    state = plain_state()
    state["stages.1.blocks.0.norm.weight"] = torch.zeros(7)
    message = mismatch(tmp_path, build("test_convnext", num_classes=10), state)
    assert "stages.1.blocks.0.norm.weight is (7,) in the file and (32,) in the model" in message
    message = mismatch(tmp_path, build("attention_unet", encoder="test_convnext"), state)
    assert "stages_1.blocks.0.norm.weight is (7,) in the file and (32,) in the model" in message


def test_a_missing_weight_is_named(tmp_path: Path) -> None:
    state = plain_state()
    del state["stem.1.bias"]
    message = mismatch(tmp_path, build("test_convnext", num_classes=10), state)
    assert "stem.1.bias is absent in the file and (24,) in the model" in message


def test_a_deeper_model_s_file_does_not_pass_for_a_shallow_one(tmp_path: Path) -> None:
    state = plain_state()
    state["stages.2.blocks.9.norm.weight"] = torch.zeros(48)
    for model in (
        build("test_convnext", num_classes=10),
        build("attention_unet", encoder="test_convnext"),
    ):
        message = mismatch(tmp_path, model, state)
        assert "blocks.9.norm.weight is (48,) in the file and absent in the model" in message


def test_a_stem_of_other_than_three_channels_is_not_adapted(tmp_path: Path) -> None:
    state = plain_state()
    state["stem.0.weight"] = state["stem.0.weight"][:, :2]
    message = mismatch(tmp_path, build("test_convnext", num_classes=10, in_channels=5), state)
    assert "stem.0.weight is (24, 2, 4, 4) in the file and (24, 5, 4, 4) in the model" in message


class Bomb:
    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return (Path.touch, (Path("exploded"),))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.safetensors", None, "cannot be read .No such file"),
        ("empty.safetensors", b"", "truncated or damaged"),
        ("page.safetensors", b"<html><body>404 Not Found</body></html>", "truncated or damaged"),
        ("pickle.safetensors", pickle.dumps(Bomb()), "holds a pickle"),
        ("model.pth", b"", "is not a .safetensors file"),
    ],
)
def test_a_file_in_another_format_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes | None, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CytopipeError, match=f"{name}: .*{message}"):
        load_pretrained(build("test_convnext", num_classes=2), tmp_path / name)
    assert not (tmp_path / "exploded").exists()


def test_torch_save_under_another_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "torch.safetensors"
    torch.save(plain_state(), path)
    with pytest.raises(CytopipeError, match="holds a pickle"):
        load_pretrained(build("test_convnext", num_classes=2), path)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, plain_state())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CytopipeError, match="truncated or damaged"):
        load_pretrained(build("test_convnext", num_classes=2), path)


def test_a_good_file_may_begin_with_the_byte_of_a_pickle(tmp_path: Path) -> None:
    state = plain_state()
    for length in range(256):
        path = tmp_path / "source.safetensors"
        save_file(state, path, metadata={"padding": "x" * length})
        if path.read_bytes()[:1] == b"\x80":
            break
    assert path.read_bytes()[:1] == b"\x80"
    load_pretrained(build("test_convnext", num_classes=10), path)


def test_a_model_without_a_timm_backbone_takes_no_weights(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match="Linear has no timm backbone"):
        load_pretrained(nn.Linear(1, 1), HUB_WEIGHTS)


def test_hub_weights_come_through_timm_s_own_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build("attention_unet", encoder="test_convnext")
    plain, asked = timm.create_model("test_convnext"), []

    def create_model(name: str, pretrained: bool = False) -> nn.Module:
        asked.append((name, pretrained))
        return plain

    monkeypatch.setattr(timm, "create_model", create_model)
    load_pretrained(model, HUB_WEIGHTS)
    config: Any = model.get_submodule("encoder").pretrained_cfg
    assert asked == [(f"test_convnext.{config['tag']}", True)]
    assert torch.equal(model.get_parameter("encoder.stem_0.weight"), plain.get_parameter("stem.0.weight"))


def test_an_unreachable_hub_is_an_error_that_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build("test_convnext", num_classes=2)

    def create_model(name: str, pretrained: bool = False) -> nn.Module:
        raise OSError("no route to host")

    monkeypatch.setattr(timm, "create_model", create_model)
    with pytest.raises(CytopipeError, match=r"no route to host\)\n.*local .safetensors file"):
        load_pretrained(model, HUB_WEIGHTS)


@pytest.mark.parametrize(
    ("name", "arguments", "backbone", "plain"),
    [
        ("resnet50_frozen", {"backbone": "test_resnet"}, "backbone", "test_resnet"),
        ("resnet50_dropout", {"backbone": "test_resnet"}, "backbone", "test_resnet"),
        ("densenet_attention", {}, "backbone", "densenet121"),
    ],
)
def test_published_networks_take_their_backbone_s_weights_and_keep_their_head(
    tmp_path: Path, name: str, arguments: dict[str, str], backbone: str, plain: str
) -> None:
    state = plain_state(plain)
    model = build(name, **arguments)
    before = {key: tensor.clone() for key, tensor in head_of(model)[1].state_dict().items()}
    load_pretrained(model, saved(tmp_path, state))
    heads = tuple(key for key in state if key.startswith(("fc.", "classifier.")))
    loaded = getattr(model, backbone).state_dict()
    assert heads and all(torch.equal(loaded[key], state[key]) for key in state if key not in heads)
    assert all(torch.equal(before[key], tensor) for key, tensor in head_of(model)[1].state_dict().items())


def test_weights_fit_where_the_head_was_replaced(tmp_path: Path) -> None:
    state = plain_state("test_resnet")
    model = build_classifier("test_resnet", {"num_classes": 10}, head="mlp", activation="mish", freeze=True)
    load_pretrained(model, saved(tmp_path, state))
    assert torch.equal(model.get_parameter("layer4.0.conv1.weight"), state["layer4.0.conv1.weight"])


def torchvision_alexnet() -> dict[str, Tensor]:
    with torch.device("meta"):
        model = torchvision.models.alexnet(num_classes=2)
    shapes = {key: tensor.shape for key, tensor in model.state_dict().items() if not key.startswith("classifier.1.")}
    return {key: torch.full(shape, 0.5) for key, shape in shapes.items()}


def test_alexnet_takes_torchvision_s_features_and_keeps_its_head(tmp_path: Path) -> None:
    with torch.device("cpu"):
        model = build("alexnet_hep2", in_channels=5)
    first, last = model.get_parameter("head.4.weight"), model.get_parameter("head.9.weight")
    before = last.detach().clone()
    assert load_pretrained(model, saved(tmp_path, torchvision_alexnet())) == IMAGENET
    features = model.get_submodule("features").state_dict()
    assert all((tensor == 0.5).all() for key, tensor in features.items() if key != "0.weight")
    assert torch.allclose(features["0.weight"], torch.tensor(0.3))
    assert torch.equal(last, before) and not (first == 0.5).any()


def test_alexnet_s_hub_is_torchvision_s_and_no_pickle_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []

    def get_state_dict(_: object, **options: object) -> dict[str, Tensor]:
        asked.append(options)
        return torchvision_alexnet()

    monkeypatch.setattr(torchvision.models.AlexNet_Weights, "get_state_dict", get_state_dict)
    model = build("alexnet_hep2")
    load_pretrained(model, HUB_WEIGHTS)
    assert (model.get_parameter("features.0.weight") == 0.5).all()
    assert asked[0]["weights_only"] is True and asked[0]["check_hash"] is True


def test_networks_without_pretrained_weights_take_images_on_the_0_to_1_scale() -> None:
    for name in ("cell_background", "malaria_vgg"):
        with torch.device("meta"):
            assert load_pretrained(build(name), RANDOM_WEIGHTS) == Normalisation((0, 0, 0), (1, 1, 1))


@pytest.mark.realdata
def test_imagenet_mobilenet_fits_whole_with_its_head(mobilenet: Path) -> None:
    model = build("mobilenetv2_100", num_classes=1000)
    assert load_pretrained(model, mobilenet) == IMAGENET
    assert load_pretrained(model, mobilenet, normalisation=HALF) == HALF
    state = load_file(mobilenet)
    assert set(state) == set(model.state_dict())
    assert all(torch.equal(state[key], tensor) for key, tensor in model.state_dict().items())


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("architecture", "part"), [("attention_unet", "encoder"), ("convnext_token_attention", "backbone")]
)
def test_imagenet_mobilenet_fits_an_encoder_with_five_channels(mobilenet: Path, architecture: str, part: str) -> None:
    model = build(architecture, **{part: "mobilenetv2_100"}, in_channels=5)
    load_pretrained(model, mobilenet, normalisation=HALF)
    state, encoder = load_file(mobilenet), getattr(model, part).state_dict()
    rgb = state["conv_stem.weight"]
    assert torch.allclose(encoder.pop("conv_stem.weight"), rgb[:, [0, 1, 2, 0, 1]] * 0.6)
    assert all(torch.equal(state[key], tensor) for key, tensor in encoder.items())
