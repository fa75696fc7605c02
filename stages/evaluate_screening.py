"""Screen the test fields of a dataset: detect and classify their cells, and compare with the annotated cells."""

from __future__ import annotations

from cytopipe import paths
from cytopipe.core.pipeline.stage import Stage, main


def run(stage: Stage) -> None:
    """Write results/screenings/<name>/."""
    from cytopipe.adapters.registry import adapter
    from cytopipe.data.manifest import read_manifest
    from cytopipe.models.determinism import prepare
    from cytopipe.models.folds import Folds
    from cytopipe.models.inference.predictor import Predictor
    from cytopipe.models.trust import allow_named
    from cytopipe.results.details import values_of
    from cytopipe.results.headline import Headline
    from cytopipe.results.screening import TELLING, THUMBNAILS
    from cytopipe.screening.annotated import held_out_fields
    from cytopipe.screening.held_out import HeldOutPredictors
    from cytopipe.screening.score import load_detector, screen_fields

    allow_named(stage.params.segmenters)
    config = stage.params.screenings[stage.item]
    target, dataset = paths.Screened(stage.item), stage.params.datasets[config.dataset]
    source = adapter(dataset.adapter, f"datasets.{config.dataset}.adapter")
    manifest = paths.Organized(config.dataset).manifest
    rows = read_manifest(manifest)
    key = f"datasets.{config.dataset}.options"
    fields = held_out_fields(source.read_fields(paths.Raw(config.dataset).files, dataset.options, key), rows, manifest)
    device = prepare(stage.params.runtime)
    detector = load_detector(paths.Trained(config.section, config.model), device, config.arguments)
    sizes = {row.pixel_size_um for row in rows}
    size = sizes.pop() if len(sizes) == 1 else None  # cells and fields have the same; else a field says it
    classifier = paths.classifier(config.classifier).model
    folds = Folds.read(classifier) if stage.params.classifiers[config.classifier].dataset == config.dataset else None
    predictor = (
        HeldOutPredictors(folds, rows, device, size)
        if folds
        else Predictor.load(classifier, device, pixel_size_um=size)
    )
    result = screen_fields(stage.progress(fields, len(fields), "field"), detector, predictor, config.margin)
    plots, figures = stage.folder(target.plots), stage.folder(target.figures)
    tables = {path.name: stage.output(path) for path in (target.detections, target.fields)}
    result.write_tables(*tables.values())
    result.write_plots(plots)
    result.write_figures(figures)
    for folder in (thumbnails := figures / THUMBNAILS, cells := figures / TELLING):
        folder.mkdir()
    result.write_thumbnails(thumbnails, cells)
    result.details.write(stage.output(target.details))
    Headline.of("screening", result.details).write(stage.output(target.metrics))
    stage.tracker.log_metrics(values_of(result.details, "screening"))
    stage.tracker.log_dict(result.details.plain, "details.json")
    for picture in (*sorted(plots.glob("*.png")), *sorted(figures.glob("*.png"))):
        stage.tracker.log_figure(picture)
    for name, table in tables.items():
        stage.tracker.log_text(table.read_text(encoding="utf-8"), f"tables/{name}")
    for table in sorted(plots.glob("*.csv")):
        stage.tracker.log_table(table)


if __name__ == "__main__":
    main(run, __doc__)
