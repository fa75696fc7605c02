"""Provenance of the results: parameters, library versions and hashes, without times, hosts or absolute paths."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath
from typing import Any

import yaml

from cytopipe import paths
from cytopipe.core.io.hashing import sha256_file
from cytopipe.core.params import Params
from cytopipe.report.read import Results, weight_hashes

LIBRARIES = (
    "cytopipe",
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "scikit-learn",
    "opencv-python-headless",
    "pillow",
    "monai",
    "captum",
    "imagehash",
    "safetensors",
    "dvc",
    "snakemake",
    "mlflow",
)


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that are installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def parameters(params: Params) -> dict[str, Any]:
    """All parameters that affect results, as plain values; absolute paths are reduced to their last part."""
    values: dict[str, Any] = _plain(params.model_dump(mode="python"))
    del values["tracking"], values["runtime"]["num_workers"]  # without effect on any result
    return values


def as_yaml(values: Mapping[str, Any]) -> str:
    """Format plain values as YAML."""
    return yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)


def hashes(results: Results) -> dict[str, dict[str, str]]:
    """SHA-256 of manifests, test arrays and weights, by kind and name."""
    models = {
        **{f"segmenter {name}": one.files.model for name, one in results.segmenters.items()},
        **{f"classifier {name}": one.files.model for name, one in results.classifiers.items()},
    }
    weights = {
        f"{title}: {file}": digest
        for title, folder in models.items()
        for file, digest in weight_hashes(folder).items()
        if file.endswith(".safetensors")
    }
    return {
        "Manifests of the images": {name: sha256_file(paths.Organized(name).manifest) for name in results.datasets},
        "Manifests of the masks": {name: sha256_file(paths.Masks(name).manifest) for name in results.datasets},
        "Test images": {
            name: digest for name, one in results.classifiers.items() for digest in _tested(one.details.test_sha256)
        },
        "Weights": weights,
    }


def _tested(found: str | Mapping[str, str]) -> list[str]:
    return [found] if isinstance(found, str) else list(found.values())[-1:]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, PurePath):
        return value.name if value.is_absolute() else value.as_posix()
    return value
