"""Fetch a dataset in its publisher's layout: generate phantoms, unpack an archive, or download it."""

from __future__ import annotations

from cytopipe import paths
from cytopipe.core.io.workers import worker_count
from cytopipe.core.pipeline.stage import Stage, main


def run(stage: Stage) -> None:
    """Fill data/raw/<dataset>/."""
    from cytopipe.sources.fetch import fetch, write_raw_manifest

    raw = paths.Raw(stage.item)
    folder = stage.folder(raw.folder)
    files = folder / raw.files.name
    files.mkdir()
    source = stage.params.datasets[stage.item].source
    workers = worker_count(stage.params.runtime.num_workers)
    progress = stage.counter()
    left_out = fetch(source, files, dataset=stage.item, cache=paths.DOWNLOADS, progress=progress, workers=workers)
    if left_out:
        left_out.write(folder / raw.left_out.name)
    count = write_raw_manifest(folder / raw.manifest.name, files)
    stage.tracker.log_metrics({"files": count})


if __name__ == "__main__":
    main(run, __doc__)
