"""Recipes for real cells, judged by cross-validation of development images; every one that is tried is logged.

    python benchmarks/recipes_real.py --archive herlev_smear2005.zip --weights mobilenetv2_100_imagenet.safetensors

appends one line for each recipe (or for those named after it) to docs/tried_recipes.jsonl. The images and their grouped
split are those of the preset herlev-regions; its test images are never read. Folds are of whole groups, and the same
for every recipe, as are seeds. Masks are the true ones, which spares training a segmenter for each fold: that tells
recipes apart, but flatters all of those that see masks, so that no line is a result on Herlev. No epoch is chosen: the
last one counts. "normal or abnormal" is what seven classes say of it: the abnormal ones together have more than a half.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from cytopipe import paths
from cytopipe.adapters.herlev import NORMAL
from cytopipe.core.params import STRETCH, Classifier
from cytopipe.data.imaging.decode import read_png
from cytopipe.data.imaging.masks import read_mask
from cytopipe.data.manifest import Row
from cytopipe.data.tensors import make_item
from cytopipe.models.determinism import make_deterministic
from fit import development, features_of, out_of_fold

LOG = Path("docs/tried_recipes.jsonl")
PRESET = "herlev-regions"
SIDE, FOLDS = 224, 5
ALL = {"strides": [1, 2, 4, 8, 16], "turns": 1}
# One quarter turn of four, so that one core needs minutes; arguments of the architecture beside those of the preset.
RECIPES: dict[str, dict[str, Any]] = {
    "regions": {"turns": 1},
    "spread": {"turns": 1, "spread": True},
    "shapes": {"turns": 1, "shapes": True},
    "all": ALL | {"spread": True, "shapes": True},
}


def recipe(arguments: dict[str, Any], weights: Path) -> Classifier:
    """The preset's network `regions`, with other arguments."""
    preset = yaml.safe_load((paths.PRESETS / f"{PRESET}.yaml").read_text())["classifiers"]["regions"]
    return Classifier.model_validate(preset | {"pretrained": str(weights), "arguments": arguments})


def items_of(rows: list[Row], folder: Path) -> np.ndarray:
    """Stored items with true masks, N x SIDE x SIDE x 5 uint8."""
    pairs = ((read_png(folder / row.path), read_mask(folder / row.mask_path)) for row in rows)
    return np.stack([make_item(image, mask, SIDE, STRETCH) for image, mask in pairs])


def line(name: str, rows: list[Row], classes: tuple[str, ...], config: Classifier, judged: list[np.ndarray]) -> str:
    """What the log says of a recipe: its parameters, but not where the weights lie, and its numbers by seed."""
    labels = np.array([row.class_index for row in rows])
    normal = np.isin(classes, NORMAL)
    abnormal = [one[:, ~normal].sum(axis=1) > 0.5 for one in judged]
    right = [float((one.argmax(axis=1) == labels).mean()) for one in judged]
    told = [float((one == ~normal[labels]).mean()) for one in abnormal]
    given = config.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(
        {
            "data": "herlev, development images",
            "recipe": name,
            "classifier": given | {"pretrained": config.pretrained.name},
            "masks": "true",
            "images": len(rows),
            "groups": len({row.group for row in rows}),
            "folds": FOLDS,
            "seeds": len(judged),
            "accuracy": round(float(np.mean(right)), 4),
            "by_seed": [round(one, 4) for one in right],
            "normal_or_abnormal": round(float(np.mean(told)), 4),
        }
    )


def main() -> None:
    """Judge the recipes that are named, and append a line for each to the log."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="RECIPE", help=f"of {', '.join(RECIPES)}; all without names")
    parser.add_argument("--archive", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(RECIPES):
        parser.error(f"no such recipe: {', '.join(sorted(unknown))}")
    make_deterministic(1)
    with tempfile.TemporaryDirectory() as work:
        rows, classes, folder = development(arguments.archive, Path(work))
        items, labels = items_of(rows, folder), np.array([row.class_index for row in rows])
        for name in arguments.names or RECIPES:
            config = recipe(RECIPES[name], arguments.weights)
            features = features_of(items, labels, len(classes), config, Path(work) / "features" / name)
            judged = [out_of_fold(rows, features, config, FOLDS, seed, SIDE) for seed in range(arguments.seeds)]
            with LOG.open("a", encoding="utf-8") as log:
                log.write(f"{(found := line(name, rows, classes, config, judged))}\n")
            print(found)


if __name__ == "__main__":
    main()
