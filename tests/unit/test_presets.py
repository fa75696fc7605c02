from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from cytopipe.adapters.registry import adapter
from cytopipe.core.params import ArchiveSource, Dataset, load_params, parse_params
from cytopipe.errors import CytopipeError
from cytopipe.models.registry import find
from cytopipe.presets.edit import with_archive, with_phantoms, with_weights
from cytopipe.presets.files import description, is_preset, list_presets
from cytopipe.presets.package_weights import with_package_weights
from cytopipe.sources.recipe import load_recipe
from made_annotations import field, geojson

ROOT = Path(__file__).resolve().parents[2]
PRESETS = list_presets(ROOT)
every_preset = pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)

BLOCK = """\
datasets:
  cells:
    source:   # where from
      kind: git
      path: workflow/sources/cells.yaml   # a recipe

    # how it is read
    adapter: folder
other: 1
"""


@every_preset
def test_every_preset_names_things_that_exist(preset: Path) -> None:
    params = load_params(preset)
    for name, dataset in params.datasets.items():
        adapter(dataset.adapter, name).options.model_validate(dataset.options)
    for segmenter in params.segmenters.values():
        find(segmenter.architecture).validate(segmenter.arguments)
    for classifier in params.classifiers.values():
        find(classifier.architecture).validate({"num_classes": 2, "in_channels": 5, **classifier.arguments})


@every_preset
def test_every_preset_gives_every_key_that_the_stages_name(preset: Path) -> None:
    for dataset in yaml.safe_load(preset.read_text())["datasets"].values():
        assert set(dataset) == set(Dataset.model_fields)


@every_preset
def test_every_source_but_the_users_own_is_in_the_repository(preset: Path) -> None:
    for dataset in load_params(preset).datasets.values():
        if dataset.source.kind in ("url", "git"):
            assert load_recipe(ROOT / dataset.source.path).kind == dataset.source.kind
        elif dataset.source.kind == "phantom":
            assert (ROOT / dataset.source.path).is_file()


@every_preset
def test_every_preset_says_what_it_is(preset: Path) -> None:
    assert len(description(preset)) > 20


def test_a_description_is_the_first_line_of_the_heading_comment(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text("# yaml-language-server: $schema=x\n\n#  First. \n# second\nkey: 1\n")
    assert description(file) == "First."
    file.write_text("key: 1\n# not a heading\n")
    assert description(file) == ""


def test_a_source_in_block_style_goes_without_the_comments_around_it() -> None:
    changed = with_archive(BLOCK, "a.zip", Path("x"))
    assert yaml.safe_load(changed)["datasets"]["cells"] == {
        "source": {"kind": "archive", "path": "a.zip"},
        "adapter": "folder",
    }
    assert [line for line in BLOCK.splitlines() if line not in changed.splitlines()] == [
        "      kind: git",
        "      path: workflow/sources/cells.yaml   # a recipe",
    ]
    assert "# a recipe" in changed and "# how it is read" in changed


@every_preset
def test_an_archive_changes_the_source_of_every_preset_and_nothing_else(preset: Path) -> None:
    text = preset.read_text()
    before = yaml.safe_load(text)
    if len({str(dataset["source"]) for dataset in before["datasets"].values()}) > 1:
        pytest.skip("its datasets come from several sources")
    after = yaml.safe_load(with_archive(text, "../x.zip", preset))
    for dataset in before["datasets"].values():
        dataset["source"] = {"kind": "archive", "path": "../x.zip"}
    assert after == before


@every_preset
def test_every_published_layout_has_phantoms(preset: Path) -> None:
    text = preset.read_text()
    if "adapter: folder" in text or "adapter: annotated" in text:
        pytest.skip("your own images have no phantoms")
    changed = parse_params(yaml.safe_load(with_phantoms(text, preset)), preset)
    for dataset in changed.datasets.values():
        assert dataset.source.kind == "phantom" and dataset.source.layout == dataset.adapter
        assert dataset.source.path.is_file()


def test_parameters_are_those_of_a_preset_wherever_the_files_come_from() -> None:
    wbc = load_params(PRESETS["wbc"])
    dataset = wbc.datasets["wbc"]
    elsewhere = dataset.model_copy(update={"source": ArchiveSource(kind="archive", path=Path("x"))})
    larger = dataset.model_copy(update={"image_size": dataset.image_size + 32})
    assert is_preset(wbc.model_copy(update={"datasets": {"wbc": elsewhere}}), wbc)
    assert not is_preset(wbc.model_copy(update={"datasets": {"wbc": larger}}), wbc)


def test_other_phantoms_are_another_preset() -> None:
    tiny = load_params(PRESETS["tiny"])
    dataset = tiny.datasets["tiny"]
    source = dataset.source.model_copy(update={"seed": 99})
    assert not is_preset(
        tiny.model_copy(update={"datasets": {"tiny": dataset.model_copy(update={"source": source})}}), tiny
    )


def test_own_images_reads_the_folder_that_the_readme_shows(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    rows = [("slide1_a", "normal", "P1"), ("slide1_b", "abnormal", "P1"), ("slide2_a", "normal", "P2")]
    for name, _, _ in rows:
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / f"images/{name}.png")
    lines = ["image,label,patient", *(f"{name}.png,{label},{patient}" for name, label, patient in rows)]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    mine = load_params(PRESETS["own-images"]).datasets["mine"]
    samples = adapter(mine.adapter, "mine").read(tmp_path, mine.options, "mine")
    assert [(sample.id, sample.label, sample.group) for sample in samples] == rows


def test_own_fields_reads_annotated_fields(tmp_path: Path) -> None:
    field(tmp_path / "a.png")
    geojson(tmp_path)
    mine = load_params(PRESETS["own-fields"]).datasets["mine"]
    samples = adapter(mine.adapter, "mine").read(tmp_path, mine.options, "mine")
    assert [(sample.id, sample.label, sample.group) for sample in samples] == [
        ("a_00001", "high", "a"),
        ("a_00002", "low", "a"),
    ]


def test_weights_stand_for_the_hub_and_nothing_else_changes() -> None:
    text = PRESETS["wbc-imagenet"].read_text()
    written = with_weights(text, "../w/m.safetensors", Path("p"))
    assert written == text.replace("pretrained: workflow/weights/hub\n", "pretrained: ../w/m.safetensors\n")
    assert written.count("../w/m.safetensors") == 3
    assert is_preset(parse_params(yaml.safe_load(written), "x"), parse_params(yaml.safe_load(text), "x"))


def test_weights_for_a_preset_without_pretrained_networks_are_refused() -> None:
    with pytest.raises(CytopipeError, match="which this preset does not contain"):
        with_weights(PRESETS["demo"].read_text(), "w.safetensors", Path("p"))


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (
            "\n    architecture: region_pooling\n    arguments:\n      strides: [4, 8]\n    pretrained: FROM",
            "\n    architecture: region_pooling\n    arguments:\n      backbone: TO\n      strides: [4, 8]\n"
            "    pretrained: FROM",
        ),
        (
            " {architecture: region_pooling, arguments: {turns: 1}, pretrained: FROM}",
            " {architecture: region_pooling, arguments: {backbone: TO, turns: 1}, pretrained: FROM}",
        ),
        (
            " {architecture: region_pooling, arguments: {}, pretrained: FROM}",
            " {architecture: region_pooling, arguments: {backbone: TO}, pretrained: FROM}",
        ),
        (
            " {architecture: region_pooling, pretrained: FROM}",
            " {arguments: {backbone: TO}, architecture: region_pooling, pretrained: FROM}",
        ),
    ],
)
def test_a_backbone_of_the_packages_is_written_in_either_style_of_yaml(network: str, expected: str) -> None:
    text = f"segmenters: {{}}\nclassifiers:\n  one:{network}\n"
    wanted = f"segmenters: {{}}\nclassifiers:\n  one:{expected}\n"
    found = with_package_weights(text.replace("FROM", "workflow/weights/hub"), Path("preset.yaml"))
    assert found == wanted.replace("FROM", "workflow/weights/package").replace("TO", "tf_efficientnet_lite0")
