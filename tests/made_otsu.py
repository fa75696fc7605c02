"""Model folders that segment by Otsu's threshold: they find cells without a training."""

from __future__ import annotations

from pathlib import Path

from cytopipe.models.folder import save_model
from cytopipe.models.registry import build
from cytopipe.results.model_spec import ModelSpec


def otsu_spec(kind: str, side: int, **sizes: float) -> ModelSpec:
    """A segmenter with windows of `side` px; `kind` is its view, `sizes` its typical sizes."""
    return ModelSpec(
        task="segmentation",
        architecture="otsu",
        arguments={},
        classes=("cyt", "nuc"),
        channels="rgb",
        input_size=side,
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        training_data_sha256="0" * 64,
        view={"view": kind, "input_size": side},
        typical_sizes=sizes or None,
    )


def write_otsu(folder: Path, kind: str, side: int = 96, **sizes: float) -> Path:
    """Write such a segmenter as a model folder, and return the folder."""
    save_model(folder, build("otsu"), otsu_spec(kind, side, **sizes))
    return folder
