"""Parameters of an evaluation elsewhere: a trained model on a dataset of another laboratory, which it never saw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from cytopipe.core.params.datasets import Dataset
from cytopipe.core.params.networks import Classifier, Network, Segmenter
from cytopipe.core.params.screenings import same_images
from cytopipe.core.params.section import Name, Section
from cytopipe.core.params.starts import predecessors


class ExternalEvaluation(Section):
    """Test a classifier or a segmenter, with all its decisions frozen, on all images of another dataset."""

    classifier: Name | None = Field(None, description="classifier to test; or name a segmenter")
    segmenter: Name | None = Field(None, description="segmenter to test, on the images with true masks")
    dataset: Name = Field(description="dataset that the model never saw; all its images are tested, of every split")
    classes: dict[str, str | None] = Field(
        default_factory=dict,
        description="their class: the model's class. Others keep their name, and are left out where the model has no "
        "class of it; null leaves a class out",
    )

    @model_validator(mode="after")
    def _one_model(self) -> ExternalEvaluation:
        if (self.classifier is None) == (self.segmenter is None):
            raise PydanticCustomError("one_model", "name one model: classifier: NAME or segmenter: NAME")
        if self.segmenter is not None and self.classes:
            raise PydanticCustomError("classes", "classes are renamed for a classifier; a segmenter knows none")
        return self

    @property
    def section(self) -> str:
        """Section of params.yaml with the model: classifiers or segmenters."""
        return "segmenters" if self.classifier is None else "classifiers"

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.classifier or self.segmenter or ""


def learnt_from(
    section: str,
    name: str,
    datasets: Mapping[str, Dataset],
    segmenters: Mapping[str, Segmenter],
    classifiers: Mapping[str, Classifier],
) -> Iterator[tuple[str, str]]:
    """The dataset of each network that a model stands on: itself, what it starts from, and those of its masks.

    Yields:
        The network in words, such as "its segmenter 'unet'", and the name of the dataset. Networks without a training,
        such as Otsu's threshold, have learnt from none; the model itself is always the first.
    """
    networks: dict[str, Network] = {f"models/segmenters/{one}": config for one, config in segmenters.items()}
    networks |= {f"models/classifiers/{one}": config for one, config in classifiers.items()}
    folder = f"models/{section}/{name}"
    yield f"'{name}'", networks[folder].dataset
    model = networks[folder]
    chains = [("", folder)]
    if isinstance(model, Classifier) and model.channels != "rgb":
        masks = datasets[model.dataset].segmenter
        chains.append((f"its segmenter '{masks}'", f"models/segmenters/{masks}"))
    for role, start in chains:
        if role and getattr(networks[start], "training", None):
            yield role, networks[start].dataset
        for donor, config in predecessors(f"{section}.{name}.pretrained", start, networks):
            if getattr(config, "training", None):
                yield f"'{donor}', which {role or 'it'} starts from,", config.dataset


def refuse_images_of_the_training(
    name: str,
    evaluation: ExternalEvaluation,
    datasets: Mapping[str, Dataset],
    segmenters: Mapping[str, Segmenter],
    classifiers: Mapping[str, Classifier],
) -> None:
    """Refuse a dataset from which the model, or a network that it stands on, has learnt.

    Raises:
        PydanticCustomError: it has; the message names the network.
    """
    chosen = evaluation.dataset
    for network, other in learnt_from(evaluation.section, evaluation.model, datasets, segmenters, classifiers):
        if other == chosen:
            what = f"of '{chosen}' itself, which is no other laboratory; its own test split is tested already"
        elif same_images(datasets[other].source, datasets[chosen].source):
            what = f"of '{other}', the source of '{chosen}' too; name a dataset that it never saw"
        else:
            continue
        raise PydanticCustomError(
            "external_seen",
            "evaluations.{name}.dataset: {network} is a network {what}",
            {"name": name, "network": network, "what": what},
        )
