"""The project in the current folder, if any: the detector and the test fields that go with each of its classifiers."""

from __future__ import annotations

import logging
from pathlib import Path

from cytopipe import paths
from cytopipe.adapters.base import AnnotatedField
from cytopipe.adapters.registry import adapter
from cytopipe.core.params import Params, load_params
from cytopipe.data.manifest import read_manifest
from cytopipe.errors import CytopipeError

logger = logging.getLogger("cytopipe")


class Project:
    """Lookups in params.yaml and the data of a finished run; they find nothing if params.yaml is missing or invalid."""

    def __init__(self) -> None:
        self.params: Params | None = None
        if paths.PARAMS.is_file():
            try:
                self.params = load_params(paths.PARAMS)
            except CytopipeError as error:
                logger.warning("the test fields of the project are not available: %s", error)

    def detector(self, classifier: Path) -> Path | None:
        """Model folder of a classifier's detector: that of its screening, else the segmenter of its dataset."""
        if self.params is None or classifier.resolve().parent != paths.classifier("x").model.resolve().parent:
            return None
        name = classifier.resolve().name
        for screening in self.params.screenings.values():
            if screening.classifier == name:
                return paths.Trained(screening.section, screening.model).model
        if name not in self.params.classifiers:
            return None
        return paths.segmenter(self.params.datasets[self.params.classifiers[name].dataset].segmenter).model

    def fields(self) -> list[tuple[Path, str]]:
        """One test field per class of every screened dataset, with a caption; a dataset without data is left out."""
        found: list[tuple[Path, str]] = []
        screenings = self.params.screenings.values() if self.params else ()
        for dataset in dict.fromkeys(screening.dataset for screening in screenings):
            if not paths.Organized(dataset).manifest.is_file() or not paths.Raw(dataset).files.is_dir():
                continue  # not run yet, or run on another machine
            try:
                found += [(field.image, f"{dataset}: {label}") for label, field in self._first(dataset).items()]
            except (CytopipeError, OSError) as error:
                logger.warning("the test fields of '%s' are not available: %s", dataset, error)
        return found

    def _first(self, dataset: str) -> dict[str, AnnotatedField]:
        """The first test field of each class; the class of a field is that of its first cell."""
        from cytopipe.screening.annotated import held_out_fields  # imports the plotting libraries

        assert self.params is not None
        config = self.params.datasets[dataset]
        source = adapter(config.adapter, f"datasets.{dataset}.adapter")
        manifest = paths.Organized(dataset).manifest
        fields = source.read_fields(paths.Raw(dataset).files, config.options, f"datasets.{dataset}.options")
        fields = held_out_fields(fields, read_manifest(manifest), manifest)
        return {field.cells[0].label: field for field in reversed(fields)}
