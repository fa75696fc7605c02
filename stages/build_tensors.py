"""Stream images and predicted masks into one memory-mapped 5-channel array per split."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cytopipe import paths
from cytopipe.core.io.hash_record import HashRecord
from cytopipe.core.io.workers import worker_count
from cytopipe.core.params import SPLITS, Dataset
from cytopipe.core.pipeline.stage import Stage, main

if TYPE_CHECKING:
    from cytopipe.results.tensors import TensorsSummary


def run(stage: Stage) -> None:
    """Fill data/tensors/<dataset>/."""
    from cytopipe.data.manifest import write_manifest
    from cytopipe.data.tensors import build_tensors

    tensors, dataset = paths.Tensors(stage.item), stage.params.datasets[stage.item]
    summary = summarise(stage.item, dataset)
    folder = stage.folder(tensors.folder)
    arrays = {split: folder / tensors.array(split).name for split in SPLITS}
    with HashRecord(paths.HASHES) as record:  # the stages that read the arrays need not hash them
        rows = build_tensors(
            paths.Organized(stage.item).folder,
            paths.Masks(stage.item).folder,
            dataset.image_size,
            arrays,
            stage.progress,
            worker_count(stage.params.runtime.num_workers),
            record.add,
            dataset.fit,
        )
        write_manifest(folder / tensors.manifest.name, rows)
    summary.write(folder / tensors.summary.name)


def summarise(name: str, dataset: Dataset) -> TensorsSummary:
    """Count what becomes of the images; their rows are read again afterwards, so that memory holds them once."""
    from cytopipe.data.fitting import fit_counts
    from cytopipe.data.manifest import read_manifest
    from cytopipe.results.tensors import TensorsSummary

    rows = read_manifest(paths.Masks(name).manifest)
    counts = fit_counts(rows, dataset.image_size, dataset.fit, f"datasets.{name}")
    values = {"dataset": name, "images": len(rows), "image_size": dataset.image_size, "fit": dataset.fit, **counts}
    return TensorsSummary.model_validate(values)


if __name__ == "__main__":
    main(run, __doc__)
