from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from cytopipe.deploy.mlflow.package import LOADER, OF_ONNX, RUNTIME, requirements, write_package
from cytopipe.models.files import SEGMENTER
from cytopipe.results.model_spec import SPEC
from fixture_types import SaveClassifier
from made_ensemble import make_ensemble


@pytest.fixture
def package(model: Path, tmp_path: Path) -> Path:
    from mlflow.models import Model

    write_package(model, tmp_path / "package", Model())
    return tmp_path / "package"


def relative(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_package_holds_the_model_folder_and_no_code(package: Path, model: Path) -> None:
    about = {"MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt"}
    examples = {"input_example.json", "serving_input_example.json"}
    assert relative(package) == about | examples | {f"data/model/{name}" for name in relative(model)}
    for name in relative(model):
        assert (package / "data/model" / name).read_bytes() == (model / name).read_bytes()
        assert not (package / "data/model" / name).is_symlink()


def test_the_signature_names_the_input_and_output_columns(package: Path) -> None:
    about = yaml.safe_load((package / "MLmodel").read_text())
    assert about["flavors"]["python_function"]["loader_module"] == LOADER
    assert [(one["name"], one["type"]) for one in json.loads(about["signature"]["inputs"])] == [("image", "binary")]
    assert [(one["name"], one["type"]) for one in json.loads(about["signature"]["outputs"])] == [
        ("predicted", "string"),
        ("p_bad", "double"),
        ("p_good", "double"),
        ("confidence", "double"),
        ("uncertain", "boolean"),
        ("abnormal", "double"),
        ("error", "string"),
    ]


def test_the_input_example_is_the_examples_of_the_model(package: Path, model: Path) -> None:
    from mlflow.models import Model

    example: Any = Model.load(str(package)).load_input_example(str(package))
    assert example["image"].tolist() == [(model / f"example_{number}.png").read_bytes() for number in (0, 1)]


def test_seeds_that_are_one_model_are_all_packaged(make_model: SaveClassifier, tmp_path: Path) -> None:
    from mlflow.models import Model

    whole = make_ensemble(tmp_path / "seeds", lambda folder, seed: make_model(folder, "rgb", seed), "seeds")
    write_package(whole, tmp_path / "package", Model())
    assert len(list((tmp_path / "package").rglob("weights.safetensors"))) == 3


def test_seeds_beside_a_network_that_stands_alone_are_left_out(
    model: Path, make_model: SaveClassifier, tmp_path: Path
) -> None:
    from mlflow.models import Model

    make_model(model / "seeds/1", seed=1, channels="rgb")
    write_package(model, tmp_path / "package", Model())
    assert len(list((tmp_path / "package").rglob("weights.safetensors"))) == 2  # of the classifier and its segmenter
    assert (tmp_path / "package/data/model" / SEGMENTER).is_dir()


def test_the_requirements_are_what_inference_imports(root: Path) -> None:
    imports = subprocess.run(
        [sys.executable, "-c", CLOSURE, "src/cytopipe/deploy/mlflow/classifier.py"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    modules = set()
    for file in imports:
        for node in ast.walk(ast.parse((root / file).read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module.partition(".")[0])
    foreign = modules - set(sys.stdlib_module_names) - {"cytopipe", "mlflow"}  # MLflow adds itself
    distributions = metadata.packages_distributions()
    found = {distributions[module][0].lower() for module in foreign}
    assert found - {"protobuf"} == {name.lower() for name in (*RUNTIME, *OF_ONNX)}  # ONNX brings protobuf


def test_requirements_name_versions_and_onnx_only_with_a_segmenter_of_onnx(model: Path) -> None:
    assert all("==" in one and "+" not in one for one in requirements(model))
    assert not any(one.startswith("onnx") for one in requirements(model))
    spec = model / SEGMENTER / SPEC
    spec.write_text(json.dumps(json.loads(spec.read_text()) | {"architecture": "onnx"}))
    assert [one.partition("==")[0] for one in requirements(model)[-2:]] == ["onnx", "onnxruntime"]


CLOSURE = """
import sys
sys.path.insert(0, "workflow")
from pathlib import Path
from imports import closure
print(sys.argv[1], *closure(Path(sys.argv[1])))
"""


def test_a_package_is_written_without_torch(model: Path, tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from mlflow.models import Model
from cytopipe.deploy.mlflow.package import write_package

write_package(Path(sys.argv[1]), Path(sys.argv[2]), Model())
assert "torch" not in sys.modules
"""
    command = [sys.executable, "-c", script, str(model), str(tmp_path / "package")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
