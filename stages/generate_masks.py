"""Predict masks for all images of a dataset with its segmenter."""

from __future__ import annotations

from cytopipe import paths
from cytopipe.core.io.workers import worker_count
from cytopipe.core.pipeline.stage import Stage, main
from cytopipe.data.manifest import read_manifest, write_manifest


def run(stage: Stage) -> None:
    """Fill data/masks/<dataset>/."""
    from cytopipe.models.bundle import copy_segmenter
    from cytopipe.models.determinism import prepare
    from cytopipe.models.inference.masks import generate_masks
    from cytopipe.models.trust import allow_named

    allow_named(stage.params.segmenters)
    dataset = stage.params.datasets[stage.item]
    trained_on_it = stage.params.segmenters[dataset.segmenter].dataset == stage.item
    organized, masks = paths.Organized(stage.item), paths.Masks(stage.item)
    segmenter = paths.segmenter(dataset.segmenter).model
    folder = stage.folder(masks.folder)
    predicted = folder / masks.predicted.name
    predicted.mkdir()
    rows = generate_masks(
        organized.folder,
        read_manifest(organized.manifest),
        segmenter,
        trained_on_it,
        predicted,
        prepare(stage.params.runtime),
        stage.progress,
        worker_count(stage.params.runtime.num_workers),
    )
    write_manifest(folder / masks.manifest.name, rows)
    copy_segmenter(segmenter, folder / masks.segmenter.name)


if __name__ == "__main__":
    main(run, __doc__)
