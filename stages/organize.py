"""Turn raw files into a validated ImageFolder with splits without leaks, true masks, a manifest and a summary."""

from __future__ import annotations

from cytopipe import paths
from cytopipe.core.io.workers import worker_count
from cytopipe.core.params import SPLITS
from cytopipe.core.pipeline.stage import Stage, main


def run(stage: Stage) -> None:
    """Fill data/organized/<dataset>/."""
    from cytopipe.core.io.left_out import LeftOut
    from cytopipe.data.manifest import write_manifest
    from cytopipe.data.organize import organize
    from cytopipe.results.dataset import DatasetSummary

    raw = paths.Raw(stage.item)
    organized = paths.Organized(stage.item)
    folder = stage.folder(organized.folder)
    folders = {name: folder / name for name in (*SPLITS, organized.masks.name)}
    for inner in folders.values():
        inner.mkdir()
    rows, summary = organize(
        stage.item,
        stage.params.datasets[stage.item],
        raw.files,
        folders,
        stage.progress,
        worker_count(stage.params.runtime.num_workers),
        LeftOut.read(raw.left_out),
    )
    DatasetSummary.model_validate(summary).write(folder / organized.summary.name)
    write_manifest(folder / organized.manifest.name, rows)
    stage.tracker.log_dict(summary, "summary.json")
    stage.tracker.log_metrics({"images": len(rows), "refused": len(summary["refused"])})


if __name__ == "__main__":
    main(run, __doc__)
