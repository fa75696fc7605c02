from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cytopipe.errors import CytopipeError
from cytopipe.models.origin import read_origin
from cytopipe.models.pretrained import Normalisation, load_pretrained
from cytopipe.models.registry import build
from cytopipe.weights.candidates import CANDIDATES
from cytopipe.weights.importing import NORMALISATIONS, Request, import_checkpoint
from cytopipe.weights.listing import starts
from cytopipe.weights.naming import timm_state

TINY = "timm/vit_tiny_patch16_224"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "workflow/weights").mkdir(parents=True)
    return tmp_path


def checkpoint(root: Path, value: Any, name: str = "some.pth") -> Path:
    torch.save(value, root / name)
    return root / name


def random(model: nn.Module) -> nn.Module:
    """A network whose normalisations and scales differ from their defaults, in the mode for tests."""
    torch.manual_seed(0)
    for key, tensor in model.state_dict().items():
        if tensor.is_floating_point() and tensor.ndim <= 1:
            tensor.uniform_(0.8, 1.2) if key.endswith(("var", "weight")) else tensor.normal_(0, 0.05)
    return model.eval()


def prefixed(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{key}": tensor for key, tensor in state.items()}


def refused(root: Path, source: Path, **options: Any) -> str:
    with pytest.raises(CytopipeError) as caught:
        import_checkpoint(root, source, "mine", Request(**options))
    assert not (root / "workflow/weights/mine.safetensors").exists()
    return str(caught.value)


@pytest.mark.parametrize(
    ("theirs", "ours", "suffix"),
    [
        ("resnet18", "resnet18", "pth"),
        ("mobilenet_v2", "mobilenetv2_100", "pth"),
        ("mobilenet_v2", "mobilenetv2_100", "safetensors"),
        ("efficientnet_b0", "efficientnet_b0", "pth"),
        ("convnext_tiny", "convnext_tiny", "safetensors"),
    ],
)
def test_a_network_of_torchvision_computes_the_same_in_timm(root: Path, theirs: str, ours: str, suffix: str) -> None:
    model = random(torchvision.models.get_model(theirs, num_classes=6))
    if suffix == "pth":
        source = checkpoint(root, {"state_dict": prefixed(model.state_dict(), "module."), "epoch": 3})
    else:  # whose keys are in alphabetical order
        source = root / "some.safetensors"
        save_file(dict(model.state_dict()), source)
    done = import_checkpoint(root, source, "mine", Request(architecture=f"timm/{ours}"))
    assert (done.origin.architecture, done.origin.classes, done.dropped) == (f"timm/{ours}", 6, ())
    assert done.origin.mean == NORMALISATIONS["imagenet"].mean
    again = timm.create_model(ours, num_classes=6).eval()
    again.load_state_dict(load_file(done.file))
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(again(images), model(images), atol=1e-5)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("vgg11_bn", "vgg11_bn"),
        ("vgg13", "vgg13"),
        ("vit_b_16", "vit_base_patch16_224"),
        ("densenet121", "densenet121"),
    ],
)
def test_every_key_of_torchvision_has_its_place_and_shape_in_timm(theirs: str, ours: str) -> None:
    with torch.device("meta"):
        state = torchvision.models.get_model(theirs).state_dict()
        target = timm.create_model(ours).state_dict()
    found = timm_state(dict(state), ours, dict(target))
    assert {key: tensor.shape for key, tensor in found.items()} == {key: like.shape for key, like in target.items()}


def test_the_network_is_guessed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CANDIDATES, "conv1.weight", CANDIDATES["conv1.weight"][:3])
    source = checkpoint(root, random(timm.create_model("resnet34", num_classes=3)).state_dict())
    assert import_checkpoint(root, source, "mine").origin.architecture == "timm/resnet34"


def test_two_networks_that_compute_differently_are_not_guessed_between(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lite = [name for name in CANDIDATES["conv_stem.weight"] if name.endswith("lite0")]
    monkeypatch.setitem(CANDIDATES, "conv_stem.weight", tuple(lite))  # the others take time
    source = checkpoint(root, timm.create_model("tf_efficientnet_lite0").state_dict())
    message = refused(root, source)
    assert "fits timm/efficientnet_lite0, timm/tf_efficientnet_lite0, which compute differently" in message


def dino(root: Path, side: int = 96) -> tuple[Path, dict[str, dict[str, Tensor]]]:
    """A full checkpoint as DINO writes it: student and teacher, heads of their own, arguments, optimizer."""
    states = {}
    for seed, role in enumerate(("student", "teacher")):
        torch.manual_seed(seed)
        model = timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=side)
        states[role] = dict(model.state_dict())
    head = {"head.mlp.0.weight": torch.ones(8, 192), "head.last_layer.weight_g": torch.ones(8, 1)}
    value = {
        "student": prefixed(states["student"], "module.backbone.") | prefixed(head, "module."),
        "teacher": prefixed(states["teacher"], "backbone.") | head,
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 0.1}]},
        "args": argparse.Namespace(arch="vit_tiny", output_dir=Path("out")),
        "epoch": 100,
    }
    return checkpoint(root, value), states


def test_dino_s_teacher_comes_first_with_positions_resized_and_its_head_dropped(root: Path) -> None:
    source, states = dino(root)
    done = import_checkpoint(root, source, "mine", Request(architecture=TINY))
    assert done.origin.part == "teacher.backbone." and done.others == ("student.module.backbone",)
    assert done.origin.classes is None
    assert (done.origin.mean, done.origin.std) == NORMALISATIONS["imagenet"]
    found = load_file(done.file)
    assert found["pos_embed"].shape == (1, 197, 192)
    assert torch.equal(found["pos_embed"][:, 0], states["teacher"]["pos_embed"][:, 0])
    assert all(torch.equal(found[key], states["teacher"][key]) for key in found if key != "pos_embed")


def test_the_student_and_the_size_can_be_asked_for(root: Path) -> None:
    source, states = dino(root)
    done = import_checkpoint(root, source, "mine", Request(architecture=TINY, part="student", input_size=96))
    found = load_file(done.file)
    assert all(torch.equal(found[key], tensor) for key, tensor in states["student"].items())
    done.file.unlink()
    assert "has no part 'critic'" in refused(root, source, architecture=TINY, part="critic")


def test_a_head_is_kept_or_dropped(root: Path) -> None:
    model = timm.create_model("test_resnet", num_classes=7)
    source = checkpoint(root, {"model": model.state_dict()})
    kept = import_checkpoint(root, source, "kept", Request(architecture="timm/test_resnet"))
    dropped = import_checkpoint(root, source, "dropped", Request(architecture="timm/test_resnet", keep_head=False))
    assert (kept.origin.classes, dropped.origin.classes) == (7, None)
    assert set(dropped.dropped) == {"fc.weight", "fc.bias"}
    assert load_file(kept.file).keys() - load_file(dropped.file).keys() == {"fc.weight", "fc.bias"}
    network = build("timm/test_resnet", num_classes=2)
    assert load_pretrained(network, dropped.file) == Normalisation(kept.origin.mean, kept.origin.std)


def test_a_backbone_beside_a_detector_s_heads_is_found(root: Path) -> None:
    state = timm.create_model("test_resnet", num_classes=0).state_dict()
    source = checkpoint(root, {**prefixed(state, "backbone.body."), "rpn.conv.weight": torch.ones(1)})
    done = import_checkpoint(root, source, "mine", Request(architecture="timm/test_resnet"))
    assert done.origin.part == "backbone.body."


def test_the_average_of_the_weights_comes_before_them(root: Path) -> None:
    state = timm.create_model("test_resnet", num_classes=2).state_dict()
    averaged = {key: torch.full_like(tensor, 3) for key, tensor in state.items()}
    source = checkpoint(root, {"state_dict": dict(state), "state_dict_ema": averaged})
    done = import_checkpoint(root, source, "mine", Request(architecture="timm/test_resnet"))
    assert (load_file(done.file)["conv1.weight" if "conv1.weight" in state else next(iter(state))] == 3).all()


def test_halves_become_float32_and_stems_of_other_channels_stay(root: Path) -> None:
    model = timm.create_model("test_resnet", num_classes=2, in_chans=5).half()
    source = checkpoint(root, model.state_dict())
    done = import_checkpoint(root, source, "mine", Request(architecture="timm/test_resnet"))
    assert done.origin.in_channels == 5
    assert {tensor.dtype for tensor in load_file(done.file).values()} == {torch.float32, torch.int64}
    network = build("timm/test_resnet", num_classes=2, in_channels=5)
    load_pretrained(network, done.file)


def test_the_same_checkpoint_gives_the_same_bytes_and_says_where_they_come_from(root: Path) -> None:
    source = checkpoint(root, timm.create_model("test_resnet").state_dict())
    request = Request(architecture="timm/test_resnet", normalisation="half")
    first, again = (import_checkpoint(root, source, name, request).file for name in ("a", "b.safetensors"))
    assert first.read_bytes() == again.read_bytes()
    origin = read_origin(again)
    assert origin is not None and origin.source == "some.pth" and len(origin.source_sha256) == 64
    assert load_pretrained(build("timm/test_resnet", num_classes=2), again) == NORMALISATIONS["half"]
    assert [one.pretrained for one in starts(root)][:2] == [f"workflow/weights/{x}.safetensors" for x in "ab"]


def test_another_network_s_weights_are_refused_by_the_first_key(root: Path) -> None:
    source = checkpoint(root, timm.create_model("resnet18").state_dict())
    message = refused(root, source, architecture="timm/resnet34")
    assert "does not fit timm/resnet34: layer1.2.conv1.weight is absent in the file" in message
    assert "has no model 'resnet3'" in refused(root, source, architecture="timm/resnet3")
    deeper = checkpoint(root, timm.create_model("resnet34").state_dict(), "deeper.pth")
    assert "absent in the model" in refused(root, deeper, architecture="timm/resnet18")


class Bomb:
    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return (Path.touch, (Path("exploded"),))


def test_what_is_no_checkpoint_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    state = dict(timm.create_model("test_resnet").state_dict())
    assert "a pickle can run any program" in refused(root, checkpoint(root, {"model": state, "x": Bomb()}))
    assert not (root / "exploded").exists()
    state["fc.weight"][0, 0] = float("nan")
    message = refused(root, checkpoint(root, state), architecture="timm/test_resnet")
    assert "fc.weight has values that are not finite" in message
    assert "holds no network" in refused(root, checkpoint(root, {"a": torch.ones(2)}))
    assert "cannot be read (No such file" in refused(root, root / "absent.pth")
    assert "cannot be read (Is a directory)" in refused(root, root)


@pytest.mark.parametrize("name", ["hub", "none", "package", "../x", "a b", "{x}", ""])
def test_a_name_that_is_no_file_s_or_taken_is_refused(root: Path, name: str) -> None:
    with pytest.raises(CytopipeError, match="cannot be the name of weights"):
        import_checkpoint(root, root / "absent.pth", name)


def test_other_weights_of_the_name_are_replaced_only_by_force(root: Path) -> None:
    request = Request(architecture="timm/test_resnet")
    first = checkpoint(root, timm.create_model("test_resnet", num_classes=2).state_dict())
    import_checkpoint(root, first, "mine", request)
    import_checkpoint(root, first, "mine", request)
    second = checkpoint(root, timm.create_model("test_resnet", num_classes=3).state_dict(), "second.pth")
    with pytest.raises(CytopipeError, match="holds other weights"):
        import_checkpoint(root, second, "mine", request)
    assert import_checkpoint(root, second, "mine", request, force=True).origin.classes == 3


def test_damaged_metadata_is_an_error(root: Path) -> None:
    file = root / "x.safetensors"
    save_file({"a": torch.ones(1)}, file, metadata={"cytopipe": "{}"})
    with pytest.raises(CytopipeError, match="its metadata is damaged"):
        read_origin(file)
    assert read_origin(root / "absent") is None
