"""What is trained and how fast: groups of parameters as timm's, and frozen weights that keep their bits."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from timm.optim import param_groups_layer_decay  # type: ignore[attr-defined]
from torch import nn

from cytopipe.core.params import Classifier, Segmenter, Training
from cytopipe.errors import CytopipeError
from cytopipe.models.blocks import layers_of
from cytopipe.models.folder import load_model, save_model
from cytopipe.models.inference.classify import class_probabilities, input_transform
from cytopipe.models.registry import build
from cytopipe.training.fine_tuning import freeze_first_blocks, parameter_groups, prepare_fine_tuning
from cytopipe.training.optim import Schedule, make_optimizer
from cytopipe.training.train_classifier import ClassifierJob, fit_classifier, labelled
from cytopipe.training.train_segmenter import SegmenterJob, train_segmenter
from cytopipe.training.trained import Trained
from cytopipe.training.workspace import Workspace
from fixture_types import Recipe

CPU = torch.device("cpu")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(CPU, 0, tmp_path / "scratch", tmp_path / "checkpoints", lambda part, epoch: None)


def classifier(training: Training, **changes: Any) -> Classifier:
    values = {"dataset": "d", "architecture": "timm/test_resnet", "channels": "rgb", **changes}
    return Classifier.model_validate({**values, "training": training.model_dump()})


def train(config: Classifier, tensors: Path, workspace: Workspace) -> Trained:
    workspace.scratch.mkdir(parents=True, exist_ok=True)
    job = ClassifierJob(config, ("a", "b"), (), tensors, "0" * 64, workspace)
    return fit_classifier(job, labelled(tensors, "train"), labelled(tensors, "val"))


@pytest.mark.parametrize("network", ["mobilenetv2_100", "test_convnext", "test_vit", "test_resnet"])
def test_groups_are_those_of_timm(recipe: Recipe, network: str) -> None:
    model: Any = build(f"timm/{network}", num_classes=3)
    asked = recipe(layer_decay=0.75, learning_rate=1, weight_decay=0.05)
    bare = model.no_weight_decay() if hasattr(model, "no_weight_decay") else ()
    theirs = param_groups_layer_decay(model, 0.05, no_weight_decay_list=bare, layer_decay=0.75)
    expected = {id(one): (group["lr_scale"], group["weight_decay"]) for group in theirs for one in group["params"]}
    groups = parameter_groups(model, asked)
    assert {id(one): (group["lr"], group["weight_decay"]) for group in groups for one in group["params"]} == expected
    assert len(expected) == len(list(model.parameters()))


def test_rates_fall_by_the_factor_from_block_to_block_and_stay_in_proportion(recipe: Recipe) -> None:
    asked = recipe(layer_decay=0.5, learning_rate=0.08, epochs=4, warmup_epochs=0)
    model = build("timm/test_resnet", num_classes=2)
    optimizer = make_optimizer(parameter_groups(model, asked), asked)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    rates = {names[id(one)]: group["lr"] for group in optimizer.param_groups for one in group["params"]}
    found = [rates[name] for name in ("fc.weight", "layer4.0.conv1.weight", "layer3.0.conv1.weight", "conv1.0.weight")]
    assert found == [0.08, 0.04, 0.02, 0.08 / 2**5]
    assert rates["fc.bias"] == 0.08
    schedule, first = Schedule(optimizer, asked), [group["lr"] for group in optimizer.param_groups]
    for epoch in (1, 2, 3):
        schedule.step(1.0)
        factor = 0.01 + 0.99 * (1 + math.cos(math.pi * epoch / 4)) / 2
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([one * factor for one in first])


def test_the_cosine_is_torchs_without_layers(recipe: Recipe) -> None:
    plain, layered = recipe(epochs=7, warmup_epochs=2), recipe(epochs=7, warmup_epochs=2, layer_decay=0.9)
    first = make_optimizer([nn.Parameter(torch.zeros(1))], plain)
    second = make_optimizer([{"params": [nn.Parameter(torch.zeros(1))], "lr": plain.learning_rate}], layered)
    schedules = Schedule(first, plain), Schedule(second, layered)
    for _ in range(6):
        for schedule in schedules:
            schedule.step(1.0)
        assert second.param_groups[0]["lr"] == pytest.approx(first.param_groups[0]["lr"], rel=1e-9)


def test_frozen_parameters_are_in_no_group(recipe: Recipe) -> None:
    model = build("timm/test_resnet", num_classes=2)
    freeze_first_blocks(model, 1)
    layers = layers_of(model)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {name for name, layer in layers.items() if layer >= 4}
    taken = [one for group in parameter_groups(model, recipe(layer_decay=0.5)) for one in group["params"]]
    assert {id(one) for one in taken} == {id(one) for one in model.parameters() if one.requires_grad}


@pytest.mark.parametrize(
    ("options", "frozen"),
    [
        ({"fine_tune": {"kind": "last_blocks", "blocks": 2}}, ("conv1.", "bn1.", "layer1.", "layer2.")),
        ({"fine_tune": {"kind": "lora", "rank": 2, "alpha": 4}}, ("bn1.", "layer1.0.bn1.", "layer4.0.bn1.")),
        (
            {"fine_tune": {"kind": "last_blocks"}, "layer_decay": 0.5, "ema": {"decay": 0.9}, "weight_decay": 0.1},
            ("conv1.", "bn1.", "layer1.", "layer2.", "layer3."),
        ),
    ],
    ids=["blocks", "lora", "all-together"],
)
def test_what_is_frozen_keeps_its_bits_and_the_folder_is_a_plain_one(
    recipe: Recipe,
    tensors: Path,
    workspace: Workspace,
    tmp_path: Path,
    options: dict[str, Any],
    frozen: tuple[str, ...],
) -> None:
    torch.manual_seed(0)
    config = classifier(recipe(epochs=2, **options))
    first = first_weights(config)
    trained = train(config, tensors, workspace)
    after = trained.model.state_dict()
    assert set(after) == set(first)
    same = {name for name, value in after.items() if torch.equal(value, first[name])}
    assert {name for name in after if name.startswith(frozen)} <= same  # statistics of batch normalisation too
    assert not {name for name in same if name.startswith("fc.")}
    # A residual branch of this network is scaled by 0 at first, and its norm is frozen by lora.
    moved = "layer4.0.downsample.1.weight" if "last_blocks" in str(options) else "layer2.0.downsample.1.weight"
    assert moved in after and moved not in same

    folder = tmp_path / "model"
    save_model(folder, trained.model, trained.spec, trained.files)
    loaded, spec = load_model(folder)
    items, transform = labelled(tensors, "val").items, input_transform(spec, CPU)
    found = class_probabilities(loaded, transform, items)
    assert (found == class_probabilities(trained.model, transform, items)).all()


def first_weights(config: Classifier) -> dict[str, torch.Tensor]:
    from cytopipe.training.classification import make_classifier

    return make_classifier(config, ("a", "b"), 32, "0" * 64)[0].state_dict()


class KillError(Exception):
    pass


@pytest.mark.parametrize(
    ("options", "epoch"),
    [
        ({"fine_tune": {"kind": "lora", "rank": 2, "alpha": 4}, "layer_decay": 0.7, "ema": {"decay": 0.8}}, 1),
        ({"ema": {"decay": 0.9}, "early_stopping": 1, "optimizer": "sgd", "scheduler": "plateau"}, 2),
    ],
    ids=["lora-layers-average", "average-stops-early"],
)
def test_a_training_that_was_killed_ends_with_the_same_bits(
    recipe: Recipe, tensors: Path, tmp_path: Path, options: dict[str, Any], epoch: int
) -> None:
    def place(name: str, kill_after: int = 0) -> Workspace:
        def tell(part: str, measures: dict[str, float]) -> None:
            if measures["epoch"] == kill_after:
                raise KillError

        return Workspace(CPU, 0, tmp_path / f"{name}{kill_after}", tmp_path / name, tell)

    config = classifier(recipe(epochs=3, **options))
    expected = train(config, tensors, place("undisturbed"))
    with pytest.raises(KillError):
        train(config, tensors, place("killed", epoch))
    again = train(config, tensors, place("killed"))
    assert again.history == expected.history
    weights = expected.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in again.model.state_dict().items())


@pytest.mark.parametrize(
    "options", [{"fine_tune": {"kind": "lora", "rank": 2}}, {"fine_tune": {"kind": "last_blocks"}, "layer_decay": 0.5}]
)
def test_a_segmenter_trains_its_decoders_and_what_is_left_of_its_encoder(
    recipe: Recipe, organized: Any, workspace: Workspace, options: dict[str, Any]
) -> None:
    folder, rows = organized
    arguments = {"encoder": "test_resnet", "decoder_widths": [8, 8, 8]}
    values = {"dataset": "d", "architecture": "attention_unet", "arguments": arguments, "input_size": 32}
    config = Segmenter.model_validate(
        {**values, "training": recipe(epochs=1, ema={"decay": 0.5}, **options).model_dump()}
    )
    trained = train_segmenter(SegmenterJob(config, folder, "0" * 64, workspace), rows).main.model
    torch.manual_seed(0)
    assert set(trained.state_dict()) == set(build("attention_unet", **arguments).state_dict())


@pytest.mark.parametrize(
    ("name", "arguments", "options", "message"),
    [
        ("malaria_vgg", {"input_size": 64}, {"layer_decay": 0.5}, "no backbone of timm"),
        ("malaria_vgg", {"input_size": 64}, {"fine_tune": {"kind": "last_blocks"}}, "no backbone of timm"),
        ("timm/test_resnet", {}, {"fine_tune": {"kind": "last_blocks", "blocks": 6}}, "has 5 blocks"),
        ("timm/test_resnet", {}, {"fine_tune": {"kind": "lora", "rank": 1000}}, "no weight of its backbone"),
        ("resnet50_frozen", {"backbone": "test_resnet"}, {"fine_tune": {"kind": "lora"}}, "backbone is frozen"),
    ],
)
def test_what_a_network_lacks_is_said_in_words(
    recipe: Recipe, name: str, arguments: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(CytopipeError, match=message):
        prepare_fine_tuning(build(name, num_classes=2, **arguments), recipe(**options))


def test_low_rank_changes_need_no_blocks(recipe: Recipe) -> None:
    model = build("malaria_vgg", num_classes=2, input_size=64)
    prepare_fine_tuning(model, recipe(fine_tune={"kind": "lora", "rank": 2}))
    assert any(parameter.requires_grad for name, parameter in model.named_parameters() if name.endswith(".up"))


@pytest.mark.parametrize(
    ("section", "changes", "training", "message"),
    [
        (Classifier, {"freeze": True}, {"layer_decay": 0.5}, "layer_decay has no effect"),
        (Classifier, {"freeze": True}, {"fine_tune": {"kind": "lora"}}, "fine_tune has no effect"),
        (Classifier, {"freeze": True, "head": "svm"}, {"ema": {}}, "no steps for ema"),
        (Classifier, {}, {"fine_tune": {"kind": "lora", "blocks": 2}}, "unknown key 'blocks'"),
        (Classifier, {}, {"fine_tune": {"kind": "last_blocks", "rank": 2}}, "unknown key 'rank'; did you mean: "),
        (Classifier, {}, {"layer_decay": 1.5}, "less than or equal to 1"),
        (Classifier, {}, {"ema": {"decay": 1}}, "less than 1"),
        (Classifier, {}, {"self_supervised": {"epochs": 1, "augment": {}}}, "views of an image are equal"),
        (Classifier, {}, {"self_supervised": {"epochs": 1, "augment": {"mixup": 1}}}, "mixup mixes images"),
        (Classifier, {}, {"self_supervised": {"epochs": 1, "augment": {"palette": 1}}}, "palette is for segmenters"),
        (
            Classifier,
            {},
            {"self_supervised": {"epochs": 1, "augment": {"foreign": 0.5}}},
            "views of an image are equal",
        ),
        (Segmenter, {}, {"self_supervised": {"epochs": 1}}, "self_supervised is for classifiers"),
    ],
)
def test_options_without_effect_are_refused(
    section: type[Classifier], changes: dict[str, Any], training: dict[str, Any], message: str
) -> None:
    values = {"dataset": "d", "architecture": "timm/test_resnet", **changes}
    with pytest.raises(ValidationError, match=message):
        section.model_validate({**values, "training": {"epochs": 1, "batch_size": 2, **training}})


def test_a_recipe_without_these_options_is_written_as_before(recipe: Recipe) -> None:
    assert not {"fine_tune", "layer_decay", "ema", "self_supervised"} & set(recipe().model_dump())
    asked = recipe(ema={}, layer_decay=0.5).model_dump()
    assert asked["ema"] == {"decay": 0.999, "warmup": True} and asked["layer_decay"] == 0.5
    assert Training.model_validate(recipe(self_supervised={"epochs": 1}).model_dump()).self_supervised
