"""Predict the masks of every image of a dataset, in every split, by its segmenter."""

from __future__ import annotations

from pathlib import Path

from cytopipe import paths
from cytopipe.data.manifest import read_manifest, write_manifest
from cytopipe.params import Params
from cytopipe.pipeline.stage import Stage, main


def inputs(params: Params, dataset: str) -> list[Path]:
    """What this stage reads; the manifest stands for the images."""
    return [paths.Organized(dataset).manifest, paths.segmenter(params.datasets[dataset].segmenter).model]


def run(stage: Stage) -> None:
    """Fill data/masks/<dataset>/."""
    from cytopipe.inference.masks import generate_masks
    from cytopipe.models.bundle import copy_segmenter
    from cytopipe.training.determinism import prepare

    dataset = stage.params.datasets[stage.item]
    trained_on_it = stage.params.segmenters[dataset.segmenter].dataset == stage.item
    organized, masks = paths.Organized(stage.item), paths.Masks(stage.item)
    segmenter = paths.segmenter(dataset.segmenter).model
    rows = generate_masks(
        organized.folder,
        read_manifest(organized.manifest),
        segmenter,
        trained_on_it,
        stage.folder(masks.predicted),
        prepare(stage.params.runtime),
        stage.progress,
    )
    write_manifest(stage.output(masks.manifest), rows)
    copy_segmenter(segmenter, stage.output(masks.segmenter))


if __name__ == "__main__":
    main("generate_masks", run, inputs, __doc__, item="dataset")
