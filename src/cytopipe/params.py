"""Typed parameters: the whole of params.yaml, read once and validated before any stage works.

Unknown keys are refused with the nearest known one, values out of range name their key.
`workflow/schemas/params.schema.json` is exported from here for editors.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from cytopipe.errors import CytopipeError

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
Channels = Literal["rgb", "rgb+masks", "masked"]
SPLITS = ("train", "val", "test")


class Section(BaseModel):
    """A mapping of params.yaml that knows all its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _suggest_the_nearest_key(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for key in data:
                if key not in cls.model_fields:
                    near = difflib.get_close_matches(str(key), cls.model_fields, n=1, cutoff=0.5)
                    known = near[0] if near else ", ".join(cls.model_fields)
                    text = "unknown key '{key}'; did you mean: {known}"
                    raise PydanticCustomError("unknown_key", text, {"key": key, "known": known})
        return data


class Runtime(Section):
    """Where and how the stages compute. All but `num_workers` can change the bytes of a result."""

    device: Literal["auto", "cpu", "cuda"]
    num_threads: int = Field(ge=1, le=256)
    num_workers: int = Field(1, ge=0, le=64)


class PhantomSource(Section):
    """Images that cytopipe draws itself, in the layout of a published dataset."""

    kind: Literal["phantom"]
    path: Path = Field(description="table of the classes' biology; a change redraws the data")
    seed: int = Field(0, ge=0)
    fields_per_class: int = Field(20, ge=1, le=999)
    cells_per_field: int = Field(9, ge=1, le=40)
    scale: float = Field(0.25, ge=0.05, le=1.0, description="1.0 draws fields of 2048 x 1536 px")


class ArchiveSource(Section):
    """A zip, tar or 7z archive, or a folder, on this machine."""

    kind: Literal["archive"]
    path: Path


class RecipeSource(Section):
    """A download described by a recipe in workflow/sources/ (URL with its sha256, or git commit)."""

    kind: Literal["url", "git"]
    path: Path


Source = Annotated[PhantomSource | ArchiveSource | RecipeSource, Field(discriminator="kind")]


class Split(Section):
    """How images are divided. `grouped` keeps every group on one side; `published` takes the publisher's."""

    kind: Literal["grouped", "random", "published"] = "grouped"
    val: float = Field(0.2, gt=0, lt=1)
    test: float = Field(0.2, gt=0, lt=1)
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _leave_something_to_train_on(self) -> Split:
        if self.val + self.test >= 0.95:
            raise PydanticCustomError("fractions", "val + test leave 5 % or less for training")
        return self


class Dataset(Section):
    """One dataset: where it comes from, how it is read, split, masked and sized.

    Every key must be given: dvc.yaml names each as a parameter of the stages that it concerns.
    """

    adapter: str
    source: Source
    options: dict[str, Any] = Field(description="of the adapter")
    exclude_classes: tuple[str, ...]
    bad_images: Literal["error", "skip"] = Field(
        description="what to do with images that cannot be decoded, or have no mask of their size"
    )
    split: Split
    segmenter: Name
    image_size: int = Field(ge=16, le=2048, description="side of the tensors in pixels")


class Augmentation(Section):
    """Random changes of training images. 0 or false switches a change off."""

    flips: bool = False
    rotation: float = Field(0, ge=0, le=180, description="degrees, both ways")
    zoom: float = Field(0, ge=0, lt=1, description="0.1 scales by 0.9 to 1.1")
    shift: float = Field(0, ge=0, lt=1, description="fraction of the side")
    brightness: float = Field(0, ge=0, le=1)
    contrast: float = Field(0, ge=0, le=1)
    saturation: float = Field(0, ge=0, le=1)
    hue: float = Field(0, ge=0, le=0.5)
    blur: float = Field(0, ge=0, le=1, description="probability of a slight Gaussian blur")
    noise: float = Field(0, ge=0, le=0.5, description="standard deviation, of full scale")


class Training(Section):
    """The recipe of one training, for segmenters and classifiers alike."""

    epochs: int = Field(ge=1, le=100_000)
    batch_size: int = Field(ge=1, le=65_536)
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0, le=10)
    weight_decay: float = Field(1e-4, ge=0, le=1)
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd")
    scheduler: Literal["none", "cosine", "plateau"] = "cosine"
    warmup_epochs: int = Field(0, ge=0)
    early_stopping: int = Field(0, ge=0, description="epochs without a better one; 0: never")
    class_weights: Literal["none", "balanced"] = "none"
    label_smoothing: float = Field(0, ge=0, lt=1)
    gradient_clip: float = Field(0, ge=0, description="largest norm of the gradient; 0 leaves it")
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = Field(0, ge=0)
    augment: Augmentation = Augmentation()

    @model_validator(mode="after")
    def _plateau_has_no_warmup(self) -> Training:
        if self.scheduler == "plateau" and self.warmup_epochs:
            raise PydanticCustomError("warmup", "warmup_epochs needs scheduler: cosine or none")
        return self


class Normalisation(Section):
    """Of the three colour channels, on the 0-1 scale, where it is not that of timm's weights."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class Segmenter(Section):
    """A network that finds cytoplasm and nucleus, and what it is trained on."""

    dataset: Name
    architecture: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    pretrained: bool | Path = Field(False, description="true: timm's hub; or a local .safetensors file")
    normalisation: Normalisation | None = None
    view: Literal["whole", "tiles"] = Field(
        "whole", description="whole: images are resized to input_size; tiles: a window slides over the image"
    )
    input_size: int = Field(64, ge=32, le=4096)
    scale: float = Field(1.0, gt=0, le=8, description="of the image before it is tiled")
    overlap: float = Field(0.5, ge=0, lt=1, description="of neighbouring windows")
    orientations: Literal[1, 8] = Field(1, description="8: masks are the mean over turned and mirrored images")
    one_cell: bool = Field(False, description="images show one cell: keep the largest that is found")
    cross_fit: int = Field(0, ge=0, le=50, description="folds; 0 trains one model")
    training: Training | None = None

    @model_validator(mode="after")
    def _folds_are_at_least_two(self) -> Segmenter:
        if self.cross_fit == 1:
            raise PydanticCustomError("cross_fit", "cross_fit is 0 (off) or at least 2 folds")
        return self


class Classifier(Section):
    """A network that names the class of a cell."""

    dataset: Name
    architecture: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    channels: Channels = "rgb+masks"
    pretrained: bool | Path = Field(False, description="true: timm's hub; or a local .safetensors file")
    normalisation: Normalisation | None = None
    training: Training


class Tracking(Section):
    """MLflow."""

    enabled: bool = True
    experiment: str = "cytopipe"


class Params(Section):
    """The whole file."""

    runtime: Runtime
    tracking: Tracking = Tracking()
    datasets: dict[Name, Dataset] = Field(min_length=1)
    segmenters: dict[Name, Segmenter] = Field(min_length=1)
    classifiers: dict[Name, Classifier] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_refer_to_something(self) -> Params:
        for name, dataset in self.datasets.items():
            _known(f"datasets.{name}.segmenter", dataset.segmenter, self.segmenters)
        for name, segmenter in self.segmenters.items():
            _known(f"segmenters.{name}.dataset", segmenter.dataset, self.datasets)
        for name, classifier in self.classifiers.items():
            _known(f"classifiers.{name}.dataset", classifier.dataset, self.datasets)
        return self


def _known(key: str, name: str, names: dict[str, Any]) -> None:
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1) or sorted(names)
        raise PydanticCustomError(
            "unknown_name",
            "{key}: there is no '{name}'; did you mean: {near}",
            {"key": key, "name": name, "near": ", ".join(near)},
        )


def parse_params(data: Any, where: str | Path) -> Params:
    """Validate parsed YAML.

    Raises:
        CytopipeError: with every faulty key and what is wrong with it; unknown keys with the nearest known one.
    """
    try:
        return Params.model_validate(data)
    except ValidationError as error:
        raise CytopipeError(
            describe(error),
            where=where,
            hint="correct the keys named above; `cytopipe preset demo` writes a complete file",
        ) from None


def describe(error: ValidationError) -> str:
    """Every fault of a validation: its key, what is wrong, and the value that was given."""
    faults = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"])
        given = fault.get("input")
        shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
        faults.append(f"{key + ': ' if key else ''}{fault['msg']}{shown}")
    return "; ".join(faults)


def load_params(path: Path) -> Params:
    """Read and validate a params.yaml.

    Raises:
        CytopipeError: when the file is missing, is not YAML, or a key is unknown or out of range.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CytopipeError(
            "no parameters here", where=path, hint="run in the project's root, or `cytopipe preset demo`"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise CytopipeError(f"cannot be read ({error})", where=path) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"{path}:{mark.line + 1}" if mark else str(path)
        raise CytopipeError(f"not valid YAML: {getattr(error, 'problem', error)}", where=line) from None
    return parse_params(data, path)


def schema() -> dict[str, Any]:
    """JSON schema of params.yaml, for editors; `python workflow/export_schema.py` writes it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Params.model_json_schema()}
