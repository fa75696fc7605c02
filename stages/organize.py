"""Turn raw files into a checked ImageFolder with honest splits, true masks, a manifest and a summary."""

from __future__ import annotations

from pathlib import Path

from cytopipe import paths
from cytopipe.data.manifest import write_manifest
from cytopipe.data.organize import organize
from cytopipe.params import SPLITS, Params
from cytopipe.pipeline.stage import Stage, main
from cytopipe.results.dataset import DatasetSummary


def inputs(params: Params, dataset: str) -> list[Path]:
    """What this stage reads; the manifest stands for the files."""
    return [paths.Raw(dataset).manifest]


def run(stage: Stage) -> None:
    """Fill data/organized/<dataset>/."""
    organized = paths.Organized(stage.item)
    folders = {split: stage.folder(organized.folder / split) for split in SPLITS}
    folders["masks"] = stage.folder(organized.masks)
    rows, summary = organize(
        stage.item, stage.params.datasets[stage.item], paths.Raw(stage.item).files, folders, stage.progress
    )
    DatasetSummary.model_validate(summary).write(stage.output(organized.summary))
    write_manifest(stage.output(organized.manifest), rows)
    stage.tracker.log_dict(summary, "summary.json")
    stage.tracker.log_metrics({"images": len(rows), "refused": len(summary["refused"])})


if __name__ == "__main__":
    main("organize", run, inputs, __doc__, item="dataset")
