"""model.json is read as it was written, and errors name the key."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cytopipe.core.params import View
from cytopipe.errors import CytopipeError
from cytopipe.results.model_spec import DecisionRule, ModelSpec, SvmChoice, Threshold, TypicalSizes

SHARED: dict[str, Any] = {"channels": "rgb", "input_size": 64, "mean": (0.5,) * 3, "std": (0.2,) * 3}
RULE = DecisionRule(
    temperature=1.5,
    confidence_threshold=0.75,
    abnormal=("ill",),
    thresholds=(Threshold(specificity=0.9, score=0.25),),
)


def classifier(**changes: Any) -> ModelSpec:
    given = {"task": "classification", "architecture": "a", "arguments": {"b": (1, 2), "a": None}, **SHARED}
    return ModelSpec(**{**given, "classes": ("ill", "gut"), "training_data_sha256": "0" * 64, **changes})


def segmenter(**changes: Any) -> ModelSpec:
    view = View(view="tiles", input_size=64, scale=0.5, overlap=0.25, tta=8, one_cell=True)
    given = {"task": "segmentation", "architecture": "a", "arguments": {}, "view": view, **SHARED}
    return ModelSpec(**{**given, "classes": ("cyt", "nuc"), "training_data_sha256": "0" * 64, **changes})


@pytest.mark.parametrize(
    "spec",
    [
        classifier(),
        classifier(
            decision_rule=RULE, svm=SvmChoice(c=0.1, temperature=2), num_threads=2, cpu="portable", precision="bf16"
        ),
        segmenter(),
        segmenter(typical_sizes=TypicalSizes(image_side=60, cell_side=20.5)),
    ],
)
def test_a_specification_is_read_as_it_was_written(tmp_path: Path, spec: ModelSpec) -> None:
    spec.write(tmp_path / "model.json")
    assert ModelSpec.read(tmp_path / "model.json") == spec
    assert ModelSpec.parse(spec.to_json(), tmp_path).to_json() == spec.to_json()


def test_a_key_without_a_value_is_left_out_and_none_in_an_argument_stays() -> None:
    content = json.loads(classifier(decision_rule=DecisionRule(temperature=1)).to_json())
    assert "view" not in content and "confidence_threshold" not in content["decision_rule"]
    assert content["arguments"] == {"a": None, "b": [1, 2]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra": {}}, "model.json: unknown key 'extra'\n  -> the model is of another version"),
        ({"decision_rule": {"temperature": 1, "limit": 1}}, "unknown key 'decision_rule.limit'\n  -> the model is of"),
        ({"view": {"crop": 1}}, "model.json: view: unknown key 'crop'.*\n  -> the model is of another version"),
        ({"view": None}, "a segmenter has a view, and a classifier has none\n  -> restore"),
        ({"num_threads": 2.0}, "model.json: num_threads: Input should be a valid integer"),
        ({"typical_sizes": {"cell_side": 0}}, "model.json: typical_sizes.cell_side: Input should be greater than 0"),
        ({"mean": [0.5]}, "rgb needs 3 values each in mean and std"),
    ],
)
def test_an_error_names_its_key(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    file = tmp_path / "model.json"
    file.write_text(json.dumps({**json.loads(segmenter().to_json()), **change}))
    with pytest.raises(CytopipeError, match=message):
        ModelSpec.read(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match=r"model.json: cannot be read .No such file"):
        ModelSpec.read(tmp_path / "model.json")
    (tmp_path / "model.json").write_text("[" * 100_000)
    with pytest.raises(CytopipeError, match="Invalid JSON"):
        ModelSpec.read(tmp_path / "model.json")


def test_reading_imports_neither_torch_nor_numpy() -> None:
    """The number of threads is read from it, and must be set before either is imported."""
    code = "import sys, cytopipe.results.model_spec; print({'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
