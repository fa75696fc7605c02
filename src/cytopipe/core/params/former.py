"""Values of params.yaml as earlier versions wrote them: stage scripts take them, DVC and Snakemake do not.

dvc.yaml names `runtime.cpu`, `fit` and `evaluations` as parameters, and what `pretrained` names as a dependency.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cytopipe.core.params.networks import HUB_WEIGHTS, PACKAGE_WEIGHTS, RANDOM_WEIGHTS, present_weights
from cytopipe.core.params.text import read_yaml
from cytopipe.errors import CytopipeError


def refuse_former_values(path: Path) -> None:
    """Refuse a params.yaml, which `load_params` takes, for what the engines cannot resolve.

    Raises:
        CytopipeError: names every such key with what to write instead.
    """
    if found := list(_former(read_yaml(path))):
        raise CytopipeError(
            "; ".join(found), where=path, hint="write it so: DVC and Snakemake read these keys themselves"
        )


def _former(params: dict[str, Any]) -> Iterator[str]:
    if "cpu" not in params.get("runtime", {}):
        yield "runtime.cpu: is now written cpu: native (all that the processor has), or portable"
    if "evaluations" not in params:
        yield "evaluations: must be given: {} for no model that is tested on the images of another laboratory"
    for name, dataset in params.get("datasets", {}).items():
        if "fit" not in dataset:
            yield f"datasets.{name}.fit: must be given: stretch, which is how images became squares before"
    for section in ("segmenters", "classifiers"):
        for name, network in params.get(section, {}).items():
            key = f"{section}.{name}.pretrained"
            if "pretrained" not in network:
                yield (
                    f"{key}: must be given: {RANDOM_WEIGHTS} for random weights, {HUB_WEIGHTS} for those of timm's "
                    f"hub, {PACKAGE_WEIGHTS} for those of an installed package, a "
                    ".safetensors file, or models/classifiers/<name>"
                )
            elif isinstance(value := network["pretrained"], bool):
                yield f"{key}: is now written pretrained: {present_weights(value)} (given: {value})"
