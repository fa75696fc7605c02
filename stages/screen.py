"""Screen a whole slide: detect its cells tile by tile and classify each of them."""

from __future__ import annotations

from cytopipe import paths, slide_paths
from cytopipe.core.pipeline.stage import Stage, main


def run(stage: Stage) -> None:
    """Write results/slides/<name>/."""
    import shutil
    from pathlib import Path

    from cytopipe.models.determinism import prepare
    from cytopipe.models.inference.predictor import Predictor
    from cytopipe.models.trust import allow_named
    from cytopipe.screening.score import load_detector
    from cytopipe.screening.screen import field_reading
    from cytopipe.slides.job import Settings, SlideJob, patch_scale
    from cytopipe.slides.opening import open_slide
    from cytopipe.slides.outputs import SlideFiles, merge

    allow_named(stage.params.segmenters)
    config, target = stage.params.slides[stage.item], slide_paths.SlideResults(stage.item)
    trained, classifier = paths.Trained(config.section, config.model), paths.classifier(config.classifier).model
    device = prepare(stage.params.runtime)
    scale = patch_scale(trained.model, config.mpp)
    arguments = config.arguments if scale is None else {"scale": scale, **config.arguments}
    detector = load_detector(trained, device, arguments)
    predictor = Predictor.load(classifier, device)
    settings = Settings(config.mpp, config.pixel_size_um, config.tile, config.margin, config.edge)
    with open_slide(Path(config.path), field_reading(detector, predictor)) as slide:
        job = SlideJob.of(slide, [trained.model, classifier], detector, predictor, settings, arguments)
        # Parts that a killed stage finished are taken as they are.
        parts = job.run_in_parts(stage.checkpoints, lambda parts, count: stage.progress(parts, count, "part"))
        files = SlideFiles(*map(stage.output, (target.cells, target.features, target.picture, target.summary)))
        _, found = merge(files, slide, parts)
    stage.tracker.log_metrics({f"cells_{name}": float(count) for name, count in found.classes.items()})
    stage.tracker.log_dict(found.plain, "summary.json")
    stage.tracker.log_figure(files.picture)
    shutil.rmtree(stage.checkpoints.parent, ignore_errors=True)


if __name__ == "__main__":
    main(run, __doc__)
