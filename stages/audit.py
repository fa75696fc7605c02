"""Audit a dataset: leaks between splits, predictable random labels, shortcuts, and labels that are probably wrong."""

from __future__ import annotations

import logging

from cytopipe import paths
from cytopipe.core.io.workers import worker_count
from cytopipe.core.pipeline.stage import Stage, main

logger = logging.getLogger("cytopipe")


def run(stage: Stage) -> None:
    """Write results/audits/<dataset>/."""
    from cytopipe.audit.audit import AuditedDataset, audit
    from cytopipe.audit.findings import report
    from cytopipe.audit.suspects import BY, find_suspects
    from cytopipe.data.manifest import read_manifest
    from cytopipe.results.dataset import DatasetSummary
    from cytopipe.results.suspects import Suspects

    level = stage.params.audit
    target, organized = paths.Audit(stage.item), paths.Organized(stage.item)
    folder = stage.folder(target.folder)
    pictures = folder / target.figures.name
    pictures.mkdir()
    if level == "off":
        result = report(stage.item, level, read_manifest(organized.manifest), [])
        suspects = Suspects.none(BY, "audit: off")
    else:
        raw, tensors = paths.Raw(stage.item).files, paths.Tensors(stage.item).folder
        subject = AuditedDataset.load(stage.item, organized.folder, tensors, raw)
        workers = worker_count(stage.params.runtime.num_workers)
        result = audit(subject, level, pictures, stage.progress, workers)
        corrections = DatasetSummary.read(organized.summary).corrections
        reviewed = {image.id for image in corrections.images} if corrections else set()
        suspects = find_suspects(subject.rows, subject.items, reviewed, workers)
    result.write(folder / target.findings.name)
    suspects.write(folder)
    failed = [finding for finding in result.findings if finding.verdict == "fail"]
    for finding in failed:
        logger.warning("%s: %s: %s", stage.label, finding.check, finding.title)
    stage.tracker.log_metrics({"failed_checks": float(len(failed))})
    stage.tracker.log_dict(result.plain, "audit.json")
    stage.tracker.log_dict(suspects.summary.plain, "suspects.json")
    for figure in sorted(pictures.glob("*.png")):
        stage.tracker.log_figure(figure)


if __name__ == "__main__":
    main(run, __doc__)
