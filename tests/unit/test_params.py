from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from cytopipe.core.params import (
    HUB_WEIGHTS,
    RANDOM_WEIGHTS,
    Augmentation,
    load_params,
    parse_params,
    refuse_former_values,
    schema,
)
from cytopipe.errors import CytopipeError
from cytopipe.paths import PRESETS, SCHEMA

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / PRESETS).glob("*.yaml"))


def tiny(**changes: Any) -> dict[str, Any]:
    """The tiny preset with changed values; keys are paths with `__` as separator, and None removes a key."""
    data: dict[str, Any] = yaml.safe_load((ROOT / PRESETS / "tiny.yaml").read_text())
    for path, value in changes.items():
        *parents, key = path.split("__")
        section = data
        for parent in parents:
            section = section[parent]
        if value is None:
            del section[key]
        else:
            section[key] = value
    return data


def fault(**changes: Any) -> str:
    """The error message for the tiny preset with changed values."""
    with pytest.raises(CytopipeError) as error:
        parse_params(tiny(**changes), "params.yaml")
    assert error.value.where == "params.yaml"
    assert error.value.hint
    return error.value.what


@pytest.mark.parametrize(("former", "present"), [(False, "none"), (True, "hub")])
@pytest.mark.parametrize("network", ["segmenters.unet", "classifiers.masks"])
def test_former_values_are_taken_by_stages_and_refused_for_the_engines(
    network: str, former: bool, present: str, tmp_path: Path
) -> None:
    section, name = network.split(".")
    data = tiny(**{f"{section}__{name}__pretrained": former}, runtime__cpu=None)
    params = parse_params(data, "params.yaml")
    assert getattr(params, section)[name].pretrained == Path("workflow/weights") / present
    assert params.runtime.cpu == "native"
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(data))
    with pytest.raises(CytopipeError) as error:
        refuse_former_values(file)
    assert "runtime.cpu: is now written cpu: native" in error.value.what
    assert f"{network}.pretrained: is now written pretrained: workflow/weights/{present} (given: {former})" in (
        error.value.what
    )


@pytest.mark.parametrize("word", ["none", "hub", "package"])
def test_a_word_alone_is_answered_with_the_file_that_is_meant(word: str) -> None:
    with pytest.raises(CytopipeError, match=f"classifiers.masks.pretrained: is written workflow/weights/{word}"):
        parse_params(tiny(classifiers__masks__pretrained=word), "params.yaml")
    file = f"workflow/weights/{word}"
    assert parse_params(tiny(classifiers__masks__pretrained=file), "params.yaml")
    assert (ROOT / file).read_text()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_presets_are_written_as_the_engines_read_them(file: Path) -> None:
    refuse_former_values(file)


@pytest.mark.parametrize("network", ["segmenters.unet", "classifiers.masks"])
def test_for_the_engines_every_network_names_its_first_weights(network: str, tmp_path: Path) -> None:
    key = f"{network}.pretrained"
    data = tiny(**{key.replace(".", "__"): None})
    section, name = network.split(".")
    assert getattr(parse_params(data, "params.yaml"), section)[name].pretrained == RANDOM_WEIGHTS
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(data))
    with pytest.raises(CytopipeError, match=f"{key}: must be given: workflow/weights/none for random weights"):
        refuse_former_values(file)


def test_the_named_weights_are_files_that_dvc_can_depend_on() -> None:
    for file in (RANDOM_WEIGHTS, HUB_WEIGHTS):
        assert (ROOT / file).read_text()


@pytest.mark.parametrize("path", [ROOT / "params.yaml", *FILES], ids=lambda path: path.stem)
def test_every_preset_is_valid_and_fits_the_schema(path: Path) -> None:
    assert load_params(path).classifiers
    jsonschema.Draft202012Validator(schema()).validate(yaml.safe_load(path.read_text()))


def test_the_exported_schema_is_current() -> None:
    exported = json.loads((ROOT / SCHEMA).read_text())
    assert exported == schema(), "run: python workflow/export_schema.py"


DONORS = ("models/segmenters/unet", "models/classifiers/resnet-rgb")


def starting(donor: str, **changes: Any) -> dict[str, Any]:
    """Changes of the tiny preset by which `masks` starts from another network."""
    return {"classifiers__masks__pretrained": donor, **changes}


def twin_of_tiny() -> dict[str, Any]:
    """The dataset of the tiny preset."""
    dataset: dict[str, Any] = tiny()["datasets"]["tiny"]
    return dataset


@pytest.mark.parametrize("donor", DONORS)
def test_a_network_starts_from_another_one(donor: str) -> None:
    assert parse_params(tiny(**starting(donor)), "params.yaml").classifiers["masks"].pretrained == Path(donor)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (starting("models/classifiers/resnet-rbg"), "did you mean: models/classifiers/resnet-rgb"),
        (starting("models/classifiers/masks"), "classifiers.masks.pretrained: a network cannot start from itself"),
        (
            starting(DONORS[1], **{"classifiers__resnet-rgb__pretrained": "models/classifiers/masks"}),
            "a network cannot start from itself",
        ),
        (
            starting(
                DONORS[1],
                screenings={},
                datasets__twin=twin_of_tiny(),
                **{"classifiers__resnet-rgb__dataset": "twin"},
            ),
            "masks.pretrained: 'models/classifiers/resnet-rgb' was trained on the images of 'tiny', ",
        ),
    ],
)
def test_a_start_that_does_not_exist_or_saw_test_images_is_refused(changes: dict[str, Any], message: str) -> None:
    assert message in fault(**changes)


def test_no_fold_starts_from_a_network_that_saw_its_test_images() -> None:
    changes = starting(DONORS[1], classifiers__masks__folds=3, segmenters__unet__cross_fit=3)
    assert "all of which are tested here in folds" in fault(**changes)


def test_presets_point_at_the_schema() -> None:
    for path in FILES:
        assert path.read_text().startswith(f"# yaml-language-server: $schema={SCHEMA.as_posix()}\n")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"runtme": {}}, "unknown key 'runtme'; did you mean: runtime"),
        ({"runtime__num_thread": 1}, "runtime: unknown key 'num_thread'; did you mean: num_threads"),
        ({"datasets__tiny__imagesize": 32}, "datasets.tiny: unknown key 'imagesize'; did you mean: image_size"),
        ({"datasets__tiny__split__fraction": 1}, "datasets.tiny.split: unknown key 'fraction'; did you mean: "),
        ({"datasets__tiny__source__sed": 1}, "unknown key 'sed'; did you mean: seed"),
        ({"segmenters__unet__training__batchsize": 1}, "did you mean: batch_size"),
        ({"classifiers__masks__training__augment__flip": True}, "training.augment: unknown key 'flip'"),
        ({"datasets__tiny__segmenter": "unett"}, "datasets.tiny.segmenter: there is no 'unett'; did you mean: unet"),
        ({"classifiers__masks__dataset": "huge"}, "classifiers.masks.dataset: there is no 'huge'; did you mean: tiny"),
    ],
)
def test_unknown_keys_and_names_suggest_the_nearest(changes: dict[str, Any], message: str) -> None:
    assert message in fault(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"runtime__num_threads": 0}, "runtime.num_threads: Input should be greater than or equal to 1 (given: 0)"),
        ({"runtime__cpu": "fast"}, "runtime.cpu: Input should be 'portable' or 'native' (given: 'fast')"),
        ({"runtime__device": "gpu"}, "runtime.device: Input should be 'auto', 'cpu' or 'cuda' (given: 'gpu')"),
        ({"datasets__tiny__split__val": 1.5}, "datasets.tiny.split.val: Input should be less than 1 (given: 1.5)"),
        ({"datasets__tiny__split__val": 0.8}, "datasets.tiny.split: val + test leave 5 % or less for training"),
        ({"datasets__tiny__image_size": "big"}, "datasets.tiny.image_size: Input should be a valid integer"),
        ({"datasets__tiny__bad_images": None}, "datasets.tiny.bad_images: Field required"),
        ({"datasets__tiny__source__kind": "ftp"}, "datasets.tiny.source: Input tag 'ftp'"),
        ({"datasets": {}}, "datasets: Dictionary should have at least 1 item"),
        ({"datasets__Tiny One": {}}, "datasets.Tiny One"),
        ({"segmenters__unet__cross_fit": 1}, "segmenters.unet: cross_fit is 0 (off) or at least 2 folds"),
        ({"segmenters__unet__training__learning_rate": float("nan")}, "learning_rate: Input should be less than or"),
        ({"classifiers__masks__training__epochs": 2.5}, "epochs: Input should be a valid integer"),
        ({"classifiers__masks__channels": "masks"}, "channels: Input should be 'rgb', 'rgb+masks' or 'masked'"),
    ],
)
def test_values_out_of_range_name_their_key(changes: dict[str, Any], message: str) -> None:
    assert message in fault(**changes)


def test_all_errors_are_reported_at_once() -> None:
    message = fault(runtime__num_threads=0, datasets__tiny__image_size=3, segmenters__unet__training__epochs=0)
    assert message.count("Input should be greater than or equal to") == 3


def test_a_number_in_yaml_11_notation_is_a_number() -> None:
    text = re.sub(r"learning_rate: [\d.]+", "learning_rate: 1e-3", yaml.safe_dump(tiny()))
    assert yaml.safe_load(text)["segmenters"]["unet"]["training"]["learning_rate"] == "1e-3"  # PyYAML reads a string
    training = parse_params(yaml.safe_load(text), "x").segmenters["unet"].training
    assert training is not None and training.learning_rate == 0.001


def test_parameters_cannot_be_changed_later() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        parse_params(tiny(), "x").runtime.num_threads = 2  # type: ignore[misc]  # mypy refuses it, too


def test_a_missing_file_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match=r"no parameters here\n  -> run in the project's root"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"runtime: {device: cpu\ndatasets:", r"params\.yaml:2: not valid YAML"),
        (b"", r"params\.yaml: the file is empty"),
        (b"- a\n- b\n", r"params\.yaml: the file holds a list, not keys with values"),
        (b"a: 1\nruntime: \xff\xfe", r"params\.yaml:2: this line is not UTF-8 text"),
        (b"a: 1\n\tb: 2\n", r"params\.yaml:2: a tab.*\n  -> indent by spaces"),
        (b"a: 1\nb: 2\na: 3\n", r"params\.yaml:3: the key 'a' stands twice, in lines 1 and 3\n  -> keep one"),
    ],
    ids=["syntax", "empty", "list", "binary", "tab", "twice"],
)
def test_files_that_are_not_a_yaml_mapping_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes(content)
    with pytest.raises(CytopipeError, match=message):
        load_params(tmp_path / "params.yaml")


def sections(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if node.get("type") == "object" and "properties" in node:
            yield node
        for value in node.values():
            yield from sections(value)
    elif isinstance(node, list):
        for value in node:
            yield from sections(value)


def test_the_schema_refuses_unknown_keys_everywhere() -> None:
    found = list(sections(schema()))
    assert len(found) > 10
    assert all(section["additionalProperties"] is False for section in found)
    with pytest.raises(jsonschema.ValidationError, match="num_thread"):
        jsonschema.validate(tiny(runtime__num_thread=1), schema())


def test_options_of_classifiers_are_refused_for_segmenters() -> None:
    name = next(name for name, one in tiny()["segmenters"].items() if one.get("training"))
    assert "mixup is for classifiers" in fault(**{f"segmenters__{name}__training__augment": {"mixup": 0.2}})
    assert "loss: focal is for classifiers" in fault(**{f"segmenters__{name}__training__loss": "focal"})


@pytest.mark.parametrize("change", ["palette", "neighbours"])
def test_repainting_by_true_masks_is_refused_for_classifiers(change: str) -> None:
    name = next(iter(tiny()["classifiers"]))
    assert f"{change} is for segmenters" in fault(**{f"classifiers__{name}__training__augment": {change: 0.2}})


def test_changes_that_came_later_are_written_only_where_they_are_used() -> None:
    later = {
        "foreign": 0.5,
        "scale": 2,
        "grey": 0.1,
        "gamma": 0.1,
        "hed": 0.1,
        "jpeg": 0.1,
        "palette": 0.1,
        "neighbours": 0.1,
    }
    assert not later.keys() & Augmentation().model_dump().keys()
    used = Augmentation.model_validate(later).model_dump()
    assert {key: used[key] for key in later} == later


def test_folds_heads_and_refit_check_their_requirements() -> None:
    name = next(name for name, one in tiny()["classifiers"].items() if one["channels"] == "rgb")
    masks = next(name for name, one in tiny()["classifiers"].items() if one["channels"] == "rgb+masks")
    assert "at least 2" in fault(**{f"classifiers__{name}__folds": 1})
    assert "needs freeze: true" in fault(**{f"classifiers__{name}__head": "svm"})
    segmenter = tiny()["datasets"][tiny()["classifiers"][masks]["dataset"]]["segmenter"]
    seen = {f"classifiers__{masks}__folds": 2, f"segmenters__{segmenter}__cross_fit": 0}
    assert "was trained on images that folds test on; set its cross_fit" in fault(**seen)
    assert parse_params(tiny(**{f"classifiers__{masks}__folds": 2}), "params.yaml").classifiers[masks].folds == 2
    assert "leave seeds at 1" in fault(**{f"classifiers__{name}__folds": 2, f"classifiers__{name}__seeds": 2})
    waiting = {f"classifiers__{name}__refit": True, f"classifiers__{name}__training__early_stopping": 3}
    assert "refit leaves no validation images" in fault(**waiting)
    changed = tiny(screenings={}, **{f"classifiers__{name}__folds": 2})
    assert parse_params(changed, "params.yaml").classifiers[name].folds == 2


def test_masks_by_a_segmenter_of_the_same_images_under_another_name_are_refused() -> None:
    twin = tiny()
    masks = next(name for name, one in twin["classifiers"].items() if one["channels"] == "rgb+masks")
    dataset = twin["classifiers"][masks]["dataset"]
    twin["datasets"]["twin"] = dict(twin["datasets"][dataset])
    twin["classifiers"][masks]["dataset"] = "twin"
    with pytest.raises(CytopipeError, match=f"trained on '{dataset}', the same images"):
        parse_params(twin, "params.yaml")
    twin["datasets"]["twin"]["source"] = {**twin["datasets"][dataset]["source"], "seed": 99}
    parse_params(twin, "params.yaml")
    twin["datasets"]["twin"]["source"] = twin["datasets"][dataset]["source"]
    twin["classifiers"][masks]["channels"] = "rgb"
    parse_params(twin, "params.yaml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"screenings": None}, "screenings: Field required"),
        (
            {"screenings__fields__dataset": "tinny"},
            "screenings.fields.dataset: there is no 'tinny'; did you mean: tiny",
        ),
        ({"screenings__fields__classifier": "x"}, "screenings.fields.classifier: there is no 'x'; did you mean: masks"),
        (
            {"screenings__fields__detector": "segmenters/u"},
            "screenings.fields.detector: there is no 'u'; did you mean: unet",
        ),
        ({"screenings__fields__detector": "classifiers/unet"}, "screenings.fields.detector: there is no 'unet'"),
        ({"screenings__fields__detector": "unet"}, "screenings.fields.detector: String should match pattern"),
        (
            {"screenings__fields__detector": "segmenters/../x"},
            "screenings.fields.detector: String should match pattern",
        ),
        ({"screenings__fields__margin": -0.1}, "screenings.fields.margin: Input should be greater than or equal to 0"),
        ({"screenings__fields__margins": 0.1}, "screenings.fields: unknown key 'margins'; did you mean: margin"),
        (
            {"screenings__fields__detector": "classifiers/resnet-rgb", "classifiers__resnet-rgb__folds": 2},
            "screenings.fields: the detector 'resnet-rgb' is cross-validated",
        ),
    ],
)
def test_screenings_refer_to_existing_models(changes: dict[str, Any], message: str) -> None:
    assert message in fault(**changes)


def test_a_detector_is_a_segmenter_or_a_classifier() -> None:
    screening = parse_params(tiny(), "x").screenings["fields"]
    assert (screening.section, screening.model) == ("segmenters", "unet")
    assert parse_params(tiny(screenings={}), "x").screenings == {}
    patches = parse_params(tiny(screenings__fields__detector="classifiers/resnet-rgb"), "x").screenings["fields"]
    assert (patches.section, patches.model) == ("classifiers", "resnet-rgb")


def of_twins(**changes: Any) -> dict[str, Any]:
    """The tiny preset with a second dataset, `twin`, of the same images, whose fields are screened.

    Args:
        changes: changes of the twin's source.
    """
    data = tiny()
    twin = dict(data["datasets"]["tiny"], segmenter="otsu")
    data["datasets"]["twin"] = {**twin, "source": {**twin["source"], **changes}}
    data["segmenters"]["otsu"] = {"dataset": "twin", "architecture": "otsu", "pretrained": "workflow/weights/none"}
    data["classifiers"]["own"] = {**data["classifiers"]["resnet-rgb"], "dataset": "twin"}
    data["screenings"] = {"fields": {"dataset": "twin", "detector": "segmenters/otsu", "classifier": "own"}}
    return data


@pytest.mark.parametrize(
    ("role", "changes"),
    [
        ("the detector 'unet'", {"detector": "segmenters/unet"}),
        ("the detector 'resnet-masked'", {"detector": "classifiers/resnet-masked"}),
        ("the classifier 'resnet-rgb'", {"classifier": "resnet-rgb"}),
    ],
)
def test_networks_that_may_be_trained_on_the_screened_fields_are_refused(role: str, changes: dict[str, str]) -> None:
    data = of_twins()
    parse_params(data, "x")  # a network trained on the twin and an untrained threshold are fine
    data["screenings"]["fields"] |= changes
    with pytest.raises(CytopipeError, match=f"screenings.fields: {role} was trained on 'tiny', the images of 'twin'"):
        parse_params(data, "x")
    more = of_twins(fields_per_class=50)  # the same seed draws the same fields, and more
    more["screenings"]["fields"] |= changes
    with pytest.raises(CytopipeError, match="in another split"):
        parse_params(more, "x")
    other = of_twins(seed=99)
    other["screenings"]["fields"] |= changes
    parse_params(other, "x")


def test_masks_of_a_screenings_classifier_count_as_its_networks() -> None:
    data = of_twins()
    data["datasets"]["elsewhere"] = {
        **data["datasets"]["tiny"],
        "source": {**data["datasets"]["tiny"]["source"], "seed": 5},
    }
    data["classifiers"]["masked"] = {**data["classifiers"]["masks"], "dataset": "elsewhere"}
    data["screenings"]["fields"]["classifier"] = "masked"
    with pytest.raises(CytopipeError, match="the segmenter of 'masked', 'unet' was trained on 'tiny'"):
        parse_params(data, "x")


@pytest.mark.parametrize("network", ["segmenters.unet", "classifiers.masks"])
def test_portable_compiles_nothing(network: str) -> None:
    key = f"{network}.training.compile"
    changes = {key.replace(".", "__"): True}
    assert fault(**changes).startswith(f"{key}: compiled kernels are made for one processor")
    assert parse_params(tiny(runtime__cpu="native", **changes), "params.yaml").runtime.cpu == "native"


@pytest.mark.parametrize("network", ["segmenters.unet", "classifiers.masks"])
def test_several_devices_compile_nothing(network: str) -> None:
    key = f"{network}.training.compile"
    changes = {"runtime__devices": 2, "runtime__cpu": "native", key.replace(".", "__"): True}
    assert fault(**changes).startswith(f"{key}: a network is trained either compiled or on several devices")


def test_a_single_device_leaves_no_trace_in_what_is_stored() -> None:
    runtime = parse_params(tiny(runtime__devices=1), "params.yaml").runtime
    assert {"devices", "sync_batch_norm"}.isdisjoint(runtime.model_dump())
    assert parse_params(tiny(runtime__devices=2), "params.yaml").runtime.model_dump()["devices"] == 2
