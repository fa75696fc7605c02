"""Package a classifier's model folder for MLflow to load and serve."""

from __future__ import annotations

import shutil
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from cytopipe import __version__
from cytopipe.deploy.mlflow.columns import IMAGE, columns, signature
from cytopipe.models.decision_rule import rule_of
from cytopipe.models.files import PARTS, examples_of, place_of_segmenter
from cytopipe.models.guarantees import has_sets
from cytopipe.models.members import is_usable, knows_training_images, spec_of
from cytopipe.results.ensemble import ENSEMBLE

if TYPE_CHECKING:
    from mlflow.models import Model

LOADER = "cytopipe.deploy.mlflow.classifier"
# The imports of the inference code; tests/unit/deploy/mlflow/test_package.py derives this list.
RUNTIME = (
    "joblib",
    "numpy",
    "opencv-python-headless",
    "pandas",
    "pillow",
    "pydantic",
    "pydantic_core",
    "pyvips",
    "PyYAML",
    "safetensors",
    "scipy",
    "threadpoolctl",
    "tifffile",
    "timm",
    "torch",
    "torchvision",
)
OF_ONNX = ("onnx", "onnxruntime")  # of a segmenter that others exported as ONNX


def requirements(model: Path) -> list[str]:
    """Pip requirements of a classifier's model folder: cytopipe and what it imports, in the installed versions."""
    masks = place_of_segmenter(model)
    of_segmenter = OF_ONNX if is_usable(masks) and spec_of(masks).architecture == "onnx" else ()
    pinned = (f"{name}=={metadata.version(name).partition('+')[0]}" for name in (*RUNTIME, *of_segmenter))
    return [f"cytopipe=={__version__}", *pinned]


def write_package(model: Path, target: Path, about: Model) -> None:
    """Write a classifier as an MLflow model folder.

    It contains each network that the classifier predicts with once; networks of further seeds beside one that stands
    alone are left out. Everything is passed to MLflow, so that
    it neither loads the model nor queries a package index to infer it.

    Args:
        model: a classifier's model folder.
        target: new folder.
        about: MLflow's description of the model, which becomes the file MLmodel.

    Raises:
        CytopipeError: model.json or ensemble.json is damaged, or there is no decision rule.
    """
    import mlflow.pyfunc
    import pandas as pd

    spec = spec_of(model)
    outputs = columns(
        spec.classes,
        bool(rule_of(spec).abnormal),
        has_sets=has_sets(spec),
        is_familiar=knows_training_images(model),
    )
    unused = () if (model / ENSEMBLE).is_file() else PARTS
    examples = pd.DataFrame({IMAGE: [path.read_bytes() for path in examples_of(model)]})
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / "model"
        shutil.copytree(model, alone, ignore=shutil.ignore_patterns(*unused), copy_function=_link)
        mlflow.pyfunc.save_model(
            path=str(target),
            loader_module=LOADER,
            data_path=str(alone),
            model_config={"device": "auto"},
            signature=signature(outputs),
            input_example=examples if len(examples) else None,
            pip_requirements=requirements(model),
            mlflow_model=about,
        )


def _link(source: str, link: str) -> None:
    Path(link).symlink_to(Path(source).resolve())
