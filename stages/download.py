"""Fetch a dataset in its publisher's own layout: draw phantoms, unpack an archive, or download it."""

from __future__ import annotations

from pathlib import Path

from cytopipe import paths
from cytopipe.data.sources.fetch import fetch, write_raw_manifest
from cytopipe.params import Params
from cytopipe.pipeline.stage import Stage, main


def inputs(params: Params, dataset: str) -> list[Path]:
    """What this stage reads."""
    return [params.datasets[dataset].source.path]


def run(stage: Stage) -> None:
    """Fill data/raw/<dataset>/."""
    raw = paths.Raw(stage.item)
    files = stage.folder(raw.files)
    source = stage.params.datasets[stage.item].source
    fetch(source, files, dataset=stage.item, cache=paths.DOWNLOADS, progress=stage.counter())
    count = write_raw_manifest(stage.output(raw.manifest), files)
    stage.tracker.log_metrics({"files": count})


if __name__ == "__main__":
    main("download", run, inputs, __doc__, item="dataset")
