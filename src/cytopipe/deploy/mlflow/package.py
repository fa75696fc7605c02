"""A classifier's model folder as a folder that MLflow loads and serves."""

from __future__ import annotations

import shutil
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

from cytopipe import __version__
from cytopipe.deploy.mlflow.columns import IMAGE, signature
from cytopipe.models.decision_rule import rule_of
from cytopipe.models.files import PARTS, examples_of
from cytopipe.results.model_spec import SPEC, ModelSpec

LOADER = "cytopipe.deploy.mlflow.classifier"
# What the code of inference imports; tests/unit/serving/test_package.py derives the list.
RUNTIME = (
    "numpy",
    "opencv-python-headless",
    "pandas",
    "pillow",
    "pydantic",
    "pydantic_core",
    "PyYAML",
    "safetensors",
    "scipy",
    "timm",
    "torch",
    "torchvision",
)


def requirements() -> list[str]:
    """cytopipe and what it computes with, in the versions that run now."""
    return [f"cytopipe=={__version__}", *(f"{name}=={metadata.version(name).partition('+')[0]}" for name in RUNTIME)]


def write_package(model: Path, target: Path, about: Any) -> None:
    """Write MLflow's folder of a classifier.

    It holds one copy of the weights, of the first network where further seeds were trained. MLflow infers nothing:
    it neither loads the model nor asks a package index.

    Args:
        model: a classifier's model folder.
        target: new folder.
        about: MLflow's `Model`, which becomes the file MLmodel.
    """
    import mlflow.pyfunc
    import pandas as pd

    spec = ModelSpec.read(model / SPEC)
    examples = pd.DataFrame({IMAGE: [path.read_bytes() for path in examples_of(model)]})
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / "model"
        shutil.copytree(model, alone, ignore=shutil.ignore_patterns(*PARTS), copy_function=_link)
        mlflow.pyfunc.save_model(
            path=str(target),
            loader_module=LOADER,
            data_path=str(alone),
            model_config={"device": "auto"},
            signature=signature(spec.classes, bool(rule_of(spec).abnormal)),
            input_example=examples if len(examples) else None,
            pip_requirements=requirements(),
            mlflow_model=about,
        )


def _link(source: str, link: str) -> None:
    Path(link).symlink_to(Path(source).resolve())
