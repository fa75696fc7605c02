"""Stream images and predicted masks into one memory-mapped 5-channel array per split."""

from __future__ import annotations

from cytopipe import paths
from cytopipe.core.params import SPLITS
from cytopipe.core.pipeline.stage import Stage, main


def run(stage: Stage) -> None:
    """Fill data/tensors/<dataset>/."""
    from cytopipe.data.manifest import write_manifest
    from cytopipe.data.tensors import build_tensors

    tensors = paths.Tensors(stage.item)
    folder = stage.folder(tensors.folder)
    arrays = {split: folder / tensors.array(split).name for split in SPLITS}
    rows = build_tensors(
        paths.Organized(stage.item).folder,
        paths.Masks(stage.item).folder,
        stage.params.datasets[stage.item].image_size,
        arrays,
        stage.progress,
    )
    write_manifest(folder / tensors.manifest.name, rows)


if __name__ == "__main__":
    main(run, __doc__)
