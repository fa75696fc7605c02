"""Parameters of a screening: whole fields of a dataset, a detector of their cells and a classifier that names each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field
from pydantic_core import PydanticCustomError

from cytopipe.params.datasets import Dataset, PhantomSource, Source
from cytopipe.params.networks import Classifier, Segmenter
from cytopipe.params.section import Name, Section


class Screening(Section):
    """Find the cells of whole fields, name each, and score both against the annotated cells."""

    dataset: Name = Field(description="its fields are screened, those alone of which every cell is a test image")
    detector: str = Field(
        pattern=r"^(segmenters|classifiers)/[a-z0-9][a-z0-9_-]*$",
        description="segmenters/NAME, or classifiers/NAME of a classifier of patches with a class `cell`",
    )
    arguments: dict[str, Any] = Field(default_factory=dict, description="of the detector: scale, thresholds")
    classifier: Name = Field(description="names the cells")
    margin: float = Field(0.05, ge=0, le=1, description="about a found cell's box, share of its longer side")

    @property
    def section(self) -> str:
        """Where params.yaml describes the detector's model: segmenters or classifiers."""
        return self.detector.partition("/")[0]

    @property
    def model(self) -> str:
        """Name of the detector's model."""
        return self.detector.partition("/")[2]


def refuse_models_that_saw_the_fields(
    name: str,
    screening: Screening,
    datasets: Mapping[str, Dataset],
    segmenters: Mapping[str, Segmenter],
    classifiers: Mapping[str, Classifier],
) -> None:
    """Refuse networks that were trained on the screened images under the name of another dataset, split in another way.

    Of the dataset itself they saw its training and validation images, which the screening leaves out.

    Raises:
        PydanticCustomError: for such a network, or for a classifier that is one network a fold.
    """
    source = datasets[screening.dataset].source
    for role, model, config in _networks(screening, datasets, segmenters, classifiers):
        if isinstance(config, Classifier) and config.folds:
            raise PydanticCustomError(
                "screening_folds",
                "screenings.{name}: '{model}' is a network for each of its folds, and every image was seen by most of "
                "them; take one without folds",
                {"name": name, "model": model},
            )
        same = same_images(datasets[config.dataset].source, source)
        if config.training and config.dataset != screening.dataset and same:
            raise PydanticCustomError(
                "screening_twin",
                "screenings.{name}: {role} '{model}' was trained on '{other}', the images of '{dataset}' divided in "
                "another way, so it may have seen the fields that it is tested on; train it on '{dataset}'",
                {"name": name, "role": role, "model": model, "other": config.dataset, "dataset": screening.dataset},
            )


def _networks(
    screening: Screening,
    datasets: Mapping[str, Dataset],
    segmenters: Mapping[str, Segmenter],
    classifiers: Mapping[str, Classifier],
) -> Iterator[tuple[str, str, Segmenter | Classifier]]:
    """What a screening computes with: its role, its name, its parameters."""
    found = segmenters[screening.model] if screening.section == "segmenters" else classifiers[screening.model]
    yield "the detector", screening.model, found
    classifier = classifiers[screening.classifier]
    yield "the classifier", screening.classifier, classifier
    if classifier.channels != "rgb":
        masks = datasets[classifier.dataset].segmenter
        yield f"the segmenter of '{screening.classifier}',", masks, segmenters[masks]


def same_images(one: Source, other: Source) -> bool:
    """Whether two sources have images in common: phantoms of one seed do, however many fields are drawn of it."""
    if isinstance(one, PhantomSource) and isinstance(other, PhantomSource):
        return (one.layout, one.path, one.seed) == (other.layout, other.path, other.seed)
    return one == other
