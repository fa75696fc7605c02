"""From params.yaml to a search that can run, in the stage and in processes that help it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from cytopipe import paths, search_paths
from cytopipe.core.io.hashing import hash_tree, sha256_bytes
from cytopipe.core.params import Classifier, Params, Segmenter
from cytopipe.results.tensors import TensorsSummary
from cytopipe.search.classifier import ClassifierLearner
from cytopipe.search.learner import Learner
from cytopipe.search.run import SearchJob
from cytopipe.search.segmenter import SegmenterLearner
from cytopipe.training.workspace import Workspace

LIBRARY = Path(__file__).parents[1]


def search_key(params: Params, name: str, inputs: Mapping[str, str]) -> str:
    """A hash of all that determines the trials: data, parameters, base and code.

    The number of trials and the minutes are left out: a search that is given more of them goes on.
    """
    search = params.searches[name]
    runtime = params.runtime.model_dump(mode="json", exclude={"num_workers"})
    settings = search.model_dump(mode="json", exclude={"trials", "minutes"})
    known = [sorted(inputs.items()), runtime, settings, _base(params, name).model_dump(mode="json"), hash_tree(LIBRARY)]
    return sha256_bytes(repr(known).encode())[:24]


def work_folder(name: str, key: str) -> Path:
    """Folder of a search's storage and checkpoints, which stays, so that the search can be given more trials."""
    return search_paths.WORK / name / key


def prepare_search(
    params: Params, name: str, inputs: Mapping[str, str], workspace: Workspace, tell: Callable[[str], None]
) -> SearchJob:
    """The search of params.yaml.

    Args:
        params: all of params.yaml.
        name: of the search.
        inputs: SHA-256 of every input, by path.
        workspace: device, threads and a scratch folder.
        tell: called with a sentence for each trial that ends.

    Raises:
        CytopipeError: the dataset lacks masks, or an argument is unknown.
    """
    key = search_key(params, name, inputs)
    return SearchJob(name, params.searches[name], _learner(params, name, workspace), work_folder(name, key), key, tell)


def _learner(params: Params, name: str, workspace: Workspace) -> Learner:
    search, base = params.searches[name], _base(params, name)
    if isinstance(base, Classifier):
        fit = TensorsSummary.read(paths.Tensors(base.dataset).summary).fit
        return ClassifierLearner(base, search.data, fit, search.measure, workspace)
    return SegmenterLearner(base, search.data, paths.Organized(base.dataset).manifest, workspace)


def _base(params: Params, name: str) -> Classifier | Segmenter:
    search = params.searches[name]
    return params.classifiers[search.network] if search.kind == "classifier" else params.segmenters[search.network]


def remove_other_searches(job: SearchJob) -> None:
    """Remove what searches of this name left with other data, parameters or code."""
    for folder in sorted(job.folder.parent.iterdir()):
        if folder.name != job.folder.name:
            shutil.rmtree(folder, ignore_errors=True)
