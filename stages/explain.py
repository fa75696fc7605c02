"""Explain a classifier's test predictions: panels, shares of attribution by region, and checks of the methods."""

from __future__ import annotations

from cytopipe import paths
from cytopipe.core.pipeline.stage import Stage, main


def run(stage: Stage) -> None:
    """Write results/explanations/<name>/."""
    from cytopipe.explain.outputs import Explanations

    config, options = stage.params.classifiers[stage.item], stage.params.explain
    source, target = paths.classifier(stage.item), paths.Explained(stage.item)
    about = {"classifier": stage.item, "dataset": config.dataset}
    if options.images:
        from cytopipe.explain.explain import explain
        from cytopipe.models.determinism import prepare

        tensors = paths.Tensors(config.dataset).folder
        device = prepare(stage.params.runtime)
        found = explain(source.model, tensors, source.predictions, about, options, device)
    else:
        found = Explanations.nothing(about, options)
    panels, plots, figures = (stage.folder(path) for path in (target.panels, target.plots, target.figures))
    found.write_panels(panels)
    found.write_plots(plots, figures)
    found.details.write(stage.output(target.summary))
    stage.tracker.log_metrics(found.headline)
    stage.tracker.log_dict(found.details.plain, "explanations.json")
    for figure in sorted(figures.glob("*.png")):
        stage.tracker.log_figure(figure)
    for panel in sorted(panels.glob("*.png")):
        stage.tracker.log_figure(panel, "panels")


if __name__ == "__main__":
    main(run, __doc__)
