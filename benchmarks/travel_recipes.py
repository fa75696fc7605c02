"""The recipes that travel.py compares: the former one of the preset wbc-imagenet, and changes to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cytopipe.core.params import Segmenter

Recipe = Callable[[Path], Segmenter]
GEOMETRY = {"flips": True, "rotation": 45, "zoom": 0.2, "shift": 0.05}
FORMER = GEOMETRY | {"brightness": 0.25, "contrast": 0.25, "saturation": 0.3, "hue": 0.06}
# Shortened from 160 px, 40 epochs and eight turned images, so that one core needs minutes.
SHORT = {"input_size": 96, "tta": 1}
EPOCHS = 16
FORMER_NAME = "former"


def recipe(augment: Mapping[str, Any], encoder: str = "mobilenetv2_100", epochs: int = EPOCHS) -> Recipe:
    """The preset's segmenter with this augmentation."""

    def made(weights: Path) -> Segmenter:
        return Segmenter.model_validate(
            {
                "dataset": "wbc",
                "architecture": "attention_unet",
                "arguments": {"encoder": encoder, "decoder_widths": [96, 64, 32]},
                "pretrained": str(weights / f"{encoder}_imagenet.safetensors"),
                "normalisation": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
                "one_cell": True,
                "training": {
                    "epochs": epochs,
                    "batch_size": 8,
                    "learning_rate": 0.001,
                    "weight_decay": 0.01,
                    "warmup_epochs": 2,
                    "gradient_clip": 1.0,
                    "precision": "fp32",
                    "augment": augment,
                },
            }
            | SHORT
        )

    return made


COLOURS = GEOMETRY | {
    "brightness": 0.25, "contrast": 0.3, "saturation": 0.5, "hue": 0.1, "grey": 0.1, "gamma": 0.35, "hed": 0.2,
}  # fmt: skip
OPTICS = {"zoom": 0.15, "scale": 1.6, "blur": 0.15, "blur_kernel": 5, "noise": 0.03, "jpeg": 0.15}
PAINT = {"palette": 0.4, "neighbours": 0.4}
# Half of the images stay as in the former recipe; the others change more, so that as many as before are repainted.
HALF = FORMER | {
    "foreign": 0.5, "scale": 1.6, "grey": 0.2, "gamma": 0.4, "hed": 0.25, "jpeg": 0.3,
    "palette": 0.6, "neighbours": 0.6, "blur": 0.1, "blur_kernel": 5, "noise": 0.02,
}  # fmt: skip

RECIPES: Mapping[str, Recipe] = {
    FORMER_NAME: recipe(FORMER),
    "colours": recipe(COLOURS),
    "colours, optics": recipe(COLOURS | OPTICS),
    "colours, optics, paint": recipe(COLOURS | OPTICS | PAINT),
    "half at home": recipe(HALF),
    "half at home, longer": recipe(HALF, epochs=2 * EPOCHS),
    "all, longer": recipe(COLOURS | OPTICS | PAINT, epochs=2 * EPOCHS),  # that of the presets
    "all, lite0": recipe(COLOURS | OPTICS | PAINT, "tf_efficientnet_lite0"),
}
