"""Search for the best parameters of a network, by grouped folds of its training and validation images."""

from __future__ import annotations

from cytopipe.core.pipeline.stage import Stage, main


def run(stage: Stage) -> None:
    """Write results/searches/<name>/."""
    import logging

    from cytopipe.search.outputs import write_search
    from cytopipe.search.prepare import prepare_search, remove_other_searches
    from cytopipe.search.run import search
    from cytopipe.search.tracking import track_trials
    from cytopipe.search_paths import Searched
    from cytopipe.training.workspace import Workspace

    config, logger = stage.params.searches[stage.item], logging.getLogger("cytopipe")
    with Workspace.of_stage(stage) as workspace:
        job = prepare_search(stage.params, stage.item, stage.inputs, workspace, logger.info)
        searched = search(job)
    files = Searched(stage.item)
    folder = stage.folder(files.folder)
    result = write_search(folder, job, searched, stage.inputs.get(config.pretrained.as_posix(), ""))
    track_trials(stage.tracker, job, searched, result, folder)
    remove_other_searches(job)


if __name__ == "__main__":
    main(run, __doc__, live=True, closed=("test.npy",))
