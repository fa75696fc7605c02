"""params.yaml as a whole, read and validated before a stage starts."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from cytopipe.core.params.datasets import Dataset
from cytopipe.core.params.embeddings import Embedding
from cytopipe.core.params.evaluations import ExternalEvaluation, refuse_images_of_the_training
from cytopipe.core.params.found import with_found
from cytopipe.core.params.networks import Classifier, Segmenter
from cytopipe.core.params.screenings import Screening, refuse_models_trained_on_the_fields, same_images
from cytopipe.core.params.searches import Search, refuse_unfit_searches
from cytopipe.core.params.section import Name, Section, describe, later_key
from cytopipe.core.params.slides import Slide
from cytopipe.core.params.starts import refuse_unfit_starts
from cytopipe.core.params.text import read_yaml
from cytopipe.errors import CytopipeError

Cpu = Literal["portable", "native"]


class Runtime(Section):
    """How the stages compute. All keys except `num_workers` can change the bytes of a result."""

    model_config = ConfigDict(json_schema_extra=lambda schema: schema["required"].append("cpu"))  # for dvc.yaml

    device: Literal["auto", "cpu", "cuda"]
    cpu: Cpu = Field(
        "native",
        description="portable: AVX2 only, for the same bytes on every x86-64 processor that has it; native: all it has",
    )
    num_threads: int = Field(ge=1, le=256)
    devices: int = later_key(
        1,
        ge=1,
        le=64,
        description="devices that train one network together, a process each: GPUs, or with device: cpu processes of "
        "num_threads threads. A step takes batch_size images on each",
    )
    sync_batch_norm: bool = later_key(
        False, description="with several devices: batch normalisation by the images of all of them"
    )
    num_workers: Annotated[int, Field(ge=0, le=256)] | Literal["auto"] = Field(
        "auto",
        description="processes that draw, decode and encode images, and threads that load those of trainings; auto: as "
        "many as there are cores to use, and one thread for a training on a CPU",
    )


class Tracking(Section):
    """Tracking with MLflow."""

    enabled: bool = True
    experiment: str = "cytopipe"


def _off(value: Any) -> Any:
    """YAML parses a bare `off` as false."""
    return "off" if value is False else value


Audit = Annotated[Literal["off", "quick", "full"], BeforeValidator(_off)]


class Explain(Section):
    """Explanations of the classifiers."""

    images: int = Field(
        ge=0, le=1000, description="test images per class and outcome (right, wrong); 0: no explanations"
    )
    steps: int = Field(
        50, ge=1, le=1000, description="steps of integrated gradients per image, shared by the random baselines"
    )
    baselines: int = Field(10, ge=1, le=100, description="random baselines of integrated gradients")


class Params(Section):
    """All parameters.

    `audit`, `explain`, `screenings` and `evaluations` are required where an engine runs, because dvc.yaml names them as
    parameters of stages; stage scripts alone take a file without `evaluations`.
    """

    model_config = ConfigDict(json_schema_extra=lambda schema: schema["required"].append("evaluations"))

    runtime: Runtime
    tracking: Tracking = Tracking()
    audit: Audit
    explain: Explain
    datasets: dict[Name, Dataset] = Field(min_length=1)
    segmenters: dict[Name, Segmenter] = Field(min_length=1)
    classifiers: dict[Name, Classifier] = Field(min_length=1)
    screenings: dict[Name, Screening] = Field(description="screenings of whole fields; {} for none")
    evaluations: dict[Name, ExternalEvaluation] = Field(
        default_factory=dict, description="trained models on datasets of other laboratories; must be given: {} for none"
    )
    embeddings: dict[Name, Embedding] = Field(
        default_factory=dict, description="features of datasets by encoders that are not trained here, and their probes"
    )
    searches: dict[Name, Search] = Field(
        default_factory=dict,
        description="searches for the best parameters of networks",
    )
    slides: dict[Name, Slide] = Field(default_factory=dict, description="whole slides that are screened")

    @model_validator(mode="after")
    def _portable_compiles_nothing(self) -> Params:
        for section in ("segmenters", "classifiers"):
            for name, network in getattr(self, section).items():
                if self.runtime.cpu == "portable" and network.training and network.training.compile:
                    raise PydanticCustomError(
                        "compile",
                        "{key}: compiled kernels are made for one processor, but runtime.cpu: portable promises "
                        "the same bytes on every one; set compile: false, or runtime.cpu: native",
                        {"key": f"{section}.{name}.training.compile"},
                    )
        return self

    @model_validator(mode="after")
    def _several_devices_compile_nothing(self) -> Params:
        for section in ("segmenters", "classifiers"):
            for name, network in getattr(self, section).items():
                if self.runtime.devices > 1 and network.training and network.training.compile:
                    raise PydanticCustomError(
                        "compile",
                        "{key}: a network is trained either compiled or on several devices; set compile: false, or "
                        "runtime.devices: 1",
                        {"key": f"{section}.{name}.training.compile"},
                    )
        return self

    @model_validator(mode="after")
    def _names_refer_to_something(self) -> Params:
        for name, dataset in self.datasets.items():
            _known(f"datasets.{name}.segmenter", dataset.segmenter, self.segmenters)
        for name, segmenter in self.segmenters.items():
            _known(f"segmenters.{name}.dataset", segmenter.dataset, self.datasets)
        for name, classifier in self.classifiers.items():
            _known(f"classifiers.{name}.dataset", classifier.dataset, self.datasets)
            if classifier.channels != "rgb":
                self._refuse_masks_from_test_images(f"classifiers.{name}", classifier)
        for name, embedding in self.embeddings.items():
            _known(f"embeddings.{name}.dataset", embedding.dataset, self.datasets)
            if embedding.regions == "masks":
                self._refuse_masks_from_test_images(f"embeddings.{name}", embedding)
        for name, screening in self.screenings.items():
            _known(f"screenings.{name}.dataset", screening.dataset, self.datasets)
            _known(f"screenings.{name}.detector", screening.model, getattr(self, screening.section))
            _known(f"screenings.{name}.classifier", screening.classifier, self.classifiers)
            refuse_models_trained_on_the_fields(name, screening, self.datasets, self.segmenters, self.classifiers)
        for name, slide in self.slides.items():
            _known(f"slides.{name}.detector", slide.model, getattr(self, slide.section))
            _known(f"slides.{name}.classifier", slide.classifier, self.classifiers)
        refuse_unfit_starts(self.datasets, self.segmenters, self.classifiers, self.embeddings)
        refuse_unfit_searches(self.searches, self.segmenters, self.classifiers)
        for name, evaluation in self.evaluations.items():
            _known(f"evaluations.{name}.dataset", evaluation.dataset, self.datasets)
            key = f"evaluations.{name}.{evaluation.section.removesuffix('s')}"
            _known(key, evaluation.model, getattr(self, evaluation.section))
            refuse_images_of_the_training(name, evaluation, self.datasets, self.segmenters, self.classifiers)
        return self

    def _refuse_masks_from_test_images(self, key: str, network: Classifier | Embedding) -> None:
        dataset, plain = network.dataset, "channels: rgb" if isinstance(network, Classifier) else "regions: whole"
        segmenter = self.datasets[dataset].segmenter
        chosen = self.segmenters[segmenter]
        sources = self.datasets[chosen.dataset].source, self.datasets[dataset].source
        twin = chosen.dataset != dataset and same_images(*sources)
        if chosen.training and twin:
            raise PydanticCustomError(
                "twin",
                "{key}: the masks of '{dataset}' come from '{segmenter}', which was trained on '{other}', "
                "the same images in another split; train a segmenter on '{dataset}', use {plain}, or use "
                "a segmenter that needs no training",
                {"key": key, "plain": plain, "dataset": dataset, "segmenter": segmenter, "other": chosen.dataset},
            )
        # With cross_fit, no image is segmented by a model that was trained on its group.
        if getattr(network, "folds", 0) and chosen.training and chosen.dataset == dataset and not chosen.cross_fit:
            raise PydanticCustomError(
                "folds",
                "{key}.folds: the masks of '{dataset}' come from '{segmenter}', which was trained on "
                "images that folds test on; set its cross_fit, use channels: rgb, or use a "
                "segmenter that was not trained on them",
                {"key": key, "dataset": dataset, "segmenter": segmenter},
            )


def _known(key: str, name: str, names: dict[str, Any]) -> None:
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1) or sorted(names)
        raise PydanticCustomError(
            "unknown_name",
            "{key}: there is no '{name}'; did you mean: {near}",
            {"key": key, "name": name, "near": ", ".join(near)},
        )


def parse_params(data: Any, where: str | Path, root: Path | None = None) -> Params:
    """Validate parsed YAML; `root` is the project whose searches have results, see `found`.

    Raises:
        CytopipeError: a parameter is invalid; the message lists every faulty key with the reason, and for an unknown
            key the nearest known one.
    """
    try:
        return Params.model_validate(with_found(data, where, root))
    except ValidationError as error:
        raise CytopipeError(
            describe(error),
            where=where,
            hint="correct the keys named above; `cytopipe preset demo` writes a complete file",
        ) from None


def load_params(path: Path) -> Params:
    """Read and validate a params.yaml.

    Raises:
        CytopipeError: the file is missing or not YAML, or a key is unknown or out of range.
    """
    # A file elsewhere is one for the project in the working directory, as `--params` gives.
    root = path.parent if (path.parent / "dvc.yaml").is_file() else Path()
    return parse_params(read_yaml(path), path, root)


def schema() -> dict[str, Any]:
    """JSON schema of params.yaml, for editors; `python workflow/export_schema.py` writes it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Params.model_json_schema()}
