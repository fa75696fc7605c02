"""Model folders that segment by Otsu's threshold: they find cells without a training."""

from __future__ import annotations

from pathlib import Path

from cytopipe.models.folder import save_model
from cytopipe.models.registry import build
from cytopipe.results.model_spec import ModelSpec


def write_otsu(folder: Path, kind: str, **sizes: float) -> Path:
    """Write a segmenter with windows of 96 px; `kind` is its view, `sizes` its typical sizes. Returns the folder."""
    spec = ModelSpec(
        task="segmentation",
        architecture="otsu",
        arguments={},
        classes=("cyt", "nuc"),
        channels="rgb",
        input_size=96,
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        training_data_sha256="0" * 64,
        view={"view": kind, "input_size": 96},
        typical_sizes=sizes,
    )
    save_model(folder, build("otsu"), spec)
    return folder
