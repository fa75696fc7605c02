"""Stream images and predicted masks into one memory-mapped 5-channel array per split."""

from __future__ import annotations

from pathlib import Path

from cytopipe import paths
from cytopipe.data.manifest import write_manifest
from cytopipe.data.tensors import build_tensors
from cytopipe.params import SPLITS, Params
from cytopipe.pipeline.stage import Stage, main


def inputs(params: Params, dataset: str) -> list[Path]:
    """What this stage reads; the manifests stand for images and masks."""
    return [paths.Organized(dataset).manifest, paths.Masks(dataset).manifest]


def run(stage: Stage) -> None:
    """Fill data/tensors/<dataset>/."""
    tensors = paths.Tensors(stage.item)
    arrays = {split: stage.output(tensors.array(split)) for split in SPLITS}
    rows = build_tensors(
        paths.Organized(stage.item).folder,
        paths.Masks(stage.item).folder,
        stage.params.datasets[stage.item].image_size,
        arrays,
        stage.progress,
    )
    write_manifest(stage.output(tensors.manifest), rows)


if __name__ == "__main__":
    main("build_tensors", run, inputs, __doc__, item="dataset")
