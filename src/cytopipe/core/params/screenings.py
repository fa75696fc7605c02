"""Parameters of a screening: the fields of a dataset, a cell detector and a classifier of the detected cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field
from pydantic_core import PydanticCustomError

from cytopipe.core.params.datasets import Dataset, PhantomSource, Source
from cytopipe.core.params.networks import Classifier, Segmenter
from cytopipe.core.params.section import Name, Section

DETECTOR = "the detector"


class Screening(Section):
    """Detect and classify the cells of whole fields, and evaluate both against the annotated cells."""

    dataset: Name = Field(
        description="dataset whose fields are screened; only fields all of whose cells are test images"
    )
    detector: str = Field(
        pattern=r"^(segmenters|classifiers)/[a-z0-9][a-z0-9_-]*$",
        description="segmenters/NAME, or classifiers/NAME of a patch classifier with a class `cell`",
    )
    arguments: dict[str, Any] = Field(default_factory=dict, description="arguments of the detector: scale, thresholds")
    classifier: Name = Field(description="classifier of the detected cells")
    margin: float = Field(
        0.05, ge=0, le=1, description="margin around a detected cell's box, fraction of its longer side"
    )

    @property
    def section(self) -> str:
        """Section of params.yaml with the detector's model: segmenters or classifiers."""
        return self.detector.partition("/")[0]

    @property
    def model(self) -> str:
        """Name of the detector's model."""
        return self.detector.partition("/")[2]


def refuse_models_trained_on_the_fields(
    name: str,
    screening: Screening,
    datasets: Mapping[str, Dataset],
    segmenters: Mapping[str, Segmenter],
    classifiers: Mapping[str, Classifier],
) -> None:
    """Refuse networks that were trained on the screened images as part of another dataset with another split.

    A network trained on the screened dataset itself is fine, because only test fields are screened; of a classifier
    that is cross-validated, the network of the fold that tests the field names its cells. Of a detector that is
    cross-validated, most networks have seen the field.

    Raises:
        PydanticCustomError: there is such a network.
    """
    source = datasets[screening.dataset].source
    for role, model, config in _networks(screening, datasets, segmenters, classifiers):
        known = config.dataset == screening.dataset
        if role == DETECTOR and isinstance(config, Classifier) and config.folds and known:
            raise PydanticCustomError(
                "screening_folds",
                "screenings.{name}: the detector '{model}' is cross-validated, and most of its networks were trained "
                "on the screened images; use one without folds",
                {"name": name, "model": model},
            )
        same = same_images(datasets[config.dataset].source, source)
        if config.training and not known and same:
            raise PydanticCustomError(
                "screening_twin",
                "screenings.{name}: {role} '{model}' was trained on '{other}', the images of '{dataset}' "
                "in another split, so it may have been trained on the screened fields; train it on '{dataset}'",
                {"name": name, "role": role, "model": model, "other": config.dataset, "dataset": screening.dataset},
            )


def _networks(
    screening: Screening,
    datasets: Mapping[str, Dataset],
    segmenters: Mapping[str, Segmenter],
    classifiers: Mapping[str, Classifier],
) -> Iterator[tuple[str, str, Segmenter | Classifier]]:
    """The networks of a screening: role, name and parameters of each."""
    found = segmenters[screening.model] if screening.section == "segmenters" else classifiers[screening.model]
    yield DETECTOR, screening.model, found
    classifier = classifiers[screening.classifier]
    yield "the classifier", screening.classifier, classifier
    if classifier.channels != "rgb":
        masks = datasets[classifier.dataset].segmenter
        yield f"the segmenter of '{screening.classifier}',", masks, segmenters[masks]


def same_images(one: Source, other: Source) -> bool:
    """Whether two sources share images; phantoms of the same seed do, whatever their number of fields."""
    if isinstance(one, PhantomSource) and isinstance(other, PhantomSource):
        return (one.layout, one.path, one.seed) == (other.layout, other.path, other.seed)
    return one == other
