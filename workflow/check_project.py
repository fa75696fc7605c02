"""The first step of `make repro` and `make snakemake`: what the engines need and would not say how to get."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from workflow.killed_pass import clear_dvc_locks

from cytopipe.core.params import load_params
from cytopipe.core.pipeline.project import check_project
from cytopipe.errors import CytopipeError
from cytopipe.models.members import is_usable, spec_of
from cytopipe.paths import PARAMS, classifier, segmenter


def main() -> None:
    """Check the project in the working folder; exit with 1 and a message if something is missing."""
    try:
        check_project(Path())
        for stage, trained, wanted in on_other_devices():
            print(
                f"{stage}: trained with runtime.devices: {trained}, which is {wanted} now; DVC does not compare it: "
                f"`dvc repro --force --single-item {stage}` trains it again",
                file=sys.stderr,
            )
        if clear_dvc_locks():
            print("a DVC that was killed left its locks in .dvc/tmp/rwlock: they are removed", file=sys.stderr)
    except CytopipeError as error:
        sys.exit(f"error: {error}")


def on_other_devices() -> Iterator[tuple[str, int, int]]:
    """Stages whose models were trained on another number of devices than runtime.devices, and both numbers.

    dvc.yaml cannot name that key, because DVC refuses files of parameters without a key that it names.
    """
    params = load_params(Path(PARAMS))
    wanted = params.runtime.devices
    models = {
        f"train_segmenter@{name}": segmenter(name).model for name, one in params.segmenters.items() if one.training
    }
    models |= {
        f"train_classifier@{name}": classifier(name).model
        for name, one in params.classifiers.items()
        if one.head != "svm"  # which takes one device, whatever is asked for
    }
    for stage, folder in models.items():
        with suppress(CytopipeError):  # a damaged description, or an older one: the engine makes the model again
            if is_usable(folder) and (trained := spec_of(folder).devices or 1) != wanted:
                yield stage, trained, wanted


if __name__ == "__main__":
    main()
