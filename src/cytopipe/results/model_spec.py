"""model.json: the specification of a trained network, its input and its decision rule. Imports no torch or numpy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    PositiveFloat,
    PositiveInt,
    StrictInt,
    ValidationError,
    model_validator,
)

from cytopipe.core.io.atomic import write_bytes
from cytopipe.core.params import Activation, Channels, Cpu, Fit, Head, Reading, View
from cytopipe.errors import CytopipeError
from cytopipe.results.guarantees import GuaranteeRule

SPEC = "model.json"
LARGEST = 16 << 20  # bytes; those of real models take some kilobytes
RESTORE = "restore the folder (dvc checkout) or train the model again"
OTHER_VERSION = "the model is of another version of cytopipe: install that one, or train the model again"

CHANNEL_COUNT: dict[Channels, int] = {"rgb": 3, "rgb+masks": 5, "masked": 3}
Task = Literal["segmentation", "classification"]
Precision = Literal["fp32", "bf16"]


def _canonical(value: Any) -> Any:
    """The value after a round trip through JSON: lists for tuples, keys sorted at every level."""
    try:
        return json.loads(json.dumps(value, sort_keys=True, allow_nan=False))
    except TypeError as error:
        raise ValueError(f"not JSON: {error}") from None


JsonDict = Annotated[dict[str, Any], BeforeValidator(_canonical)]
Positive = Annotated[PositiveFloat, FiniteFloat]


class Part(BaseModel):
    """A mapping in model.json; unknown keys are an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TypicalSizes(Part):
    """Medians over the training images of a segmenter, sides in pixels; they give the scale for screening whole fields.

    Attributes:
        image_side: longer side of an image.
        cell_side: longer side of a cell in the true masks.
        pixel_size_um: micrometres of a pixel; None where an image does not say it.
    """

    image_side: Positive | None = None
    cell_side: Positive | None = None
    pixel_size_um: Positive | None = None


class Threshold(Part):
    """A threshold of the abnormality score, and the specificity that it was chosen for on validation images."""

    specificity: FiniteFloat
    score: FiniteFloat


class DecisionRule(Part):
    """How probabilities become decisions, chosen on validation images; see `models.decision_rule`.

    Attributes:
        temperature: divisor of the logits for calibrated probabilities.
        confidence_threshold: predictions with at least this calibrated confidence need no review; None: all need it.
        abnormal: classes whose calibrated probabilities add up to the abnormality score.
        thresholds: thresholds of that score.
    """

    temperature: FiniteFloat
    confidence_threshold: FiniteFloat | None = None
    abnormal: tuple[str, ...] = ()
    thresholds: tuple[Threshold, ...] = ()


class SvmChoice(Part):
    """Regularisation and temperature of a support vector machine, chosen on validation images."""

    c: FiniteFloat
    temperature: FiniteFloat


class Familiarity(Part):
    """When an image counts as unlike the training images; see `models.familiarity`.

    Attributes:
        threshold: deviation beyond which it does, in robust standard deviations of validation images.
        wanted: share of images like the training images that may be beyond it.
        expected: share that is expected there if images are independent, 1 / (images + 1) or more; above `wanted` where
            there are too few images.
        at_most: the same if all images of a group are alike, so that groups count in place of images.
        images, groups: numbers of the validation images that chose it, and of their groups.
    """

    threshold: Positive
    wanted: FiniteFloat
    expected: FiniteFloat
    at_most: FiniteFloat
    images: PositiveInt
    groups: PositiveInt


class ModelSpec(Part):
    """The content of model.json.

    Attributes:
        task: segmentation or classification.
        architecture: name in the registry.
        arguments: arguments of the architecture's builder.
        head: own (that of the architecture) or its replacement; see `heads.replace_head`.
        activation: activation of all layers; None: that of the architecture.
        freeze: whether only the head was trained.
        classes: names of the logits (classification) or output masks (segmentation), in order.
        channels: rgb; rgb+masks: with cell and nucleus masks as channels 4 and 5; masked: rgb with the background set
            to 0.
        input_size: side of the stored square images, in pixels.
        fit: how an image becomes such a square, see `core.params.fit`; None: it is stretched. A segmenter has a view.
        network_size: side of the network's input, to which images are resized, in pixels; None: input_size.
        mean: mean of each input channel; images are uint8 / 255, then (x - mean) / std.
        std: standard deviation of each input channel.
        tta: test-time augmentation of a classifier: 8 averages over rotated and mirrored images, 1 is off.
        training_data_sha256: SHA-256 of the training data, in hexadecimal digits.
        precision: floating-point precision of the training.
        num_threads: threads of the training; with another number, the last digits of results may differ.
        cpu: instruction set of the training (`runtime.cpu`); with the other, the last digits of results may differ.
        devices: devices that trained together, each with the batch size of the parameters; None: one.
        view: scale and size at which a segmenter sees an image; only segmenters have one.
        typical_sizes: median sizes in a segmenter's training images.
        decision_rule: decision rule of a trained classifier.
        familiarity: when an image counts as unlike the training images; None: the folder has no familiar.safetensors.
        guarantees: thresholds of a classifier with a guarantee for new groups; None: it has none.
        svm: settings that were chosen for `head: svm`.
        reading: how image files were read (range of deep values, alpha, channels, page); None: 8-bit images, in the
            plainest way.
    """

    task: Task
    architecture: str
    arguments: JsonDict
    head: Head = "own"
    activation: Activation | None = None
    freeze: bool = False
    classes: Annotated[tuple[str, ...], Field(min_length=1)]
    channels: Channels
    input_size: PositiveInt
    fit: Fit | None = None
    network_size: PositiveInt | None = None
    mean: tuple[FiniteFloat, ...]
    std: tuple[Annotated[FiniteFloat, Field(gt=0)], ...]
    tta: Literal[1, 8] = 1
    training_data_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    precision: Precision | None = None
    num_threads: Annotated[StrictInt, Field(ge=1, le=1024)] | None = None
    cpu: Cpu | None = None
    devices: Annotated[StrictInt, Field(ge=2, le=1024)] | None = None
    view: View | None = None
    typical_sizes: TypicalSizes | None = None
    decision_rule: DecisionRule | None = None
    familiarity: Familiarity | None = None
    guarantees: GuaranteeRule | None = None
    svm: SvmChoice | None = None
    reading: Reading | None = None

    @model_validator(mode="after")
    def _keys_agree(self) -> ModelSpec:
        count = CHANNEL_COUNT[self.channels]
        if (len(self.mean), len(self.std)) != (count, count):
            raise ValueError(f"{self.channels} needs {count} values each in mean and std")
        if (self.view is not None) != (self.task == "segmentation"):
            raise ValueError("a segmenter has a view, and a classifier has none")
        return self

    @classmethod
    def parse(cls, content: bytes, where: Path) -> ModelSpec:
        """Parse the content of a model.json.

        Args:
            content: content of the file.
            where: the file, for error messages.

        Raises:
            CytopipeError: if it is not JSON, or a key is missing, unknown or invalid; the message names the key.
        """
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            fault = error.errors()[0]
            key = ".".join(str(part) for part in fault["loc"]) or "model"
            if fault["type"] == "extra_forbidden":
                raise CytopipeError(f"unknown key '{key}'", where=where, hint=OTHER_VERSION) from None
            hint = OTHER_VERSION if fault["type"].endswith("_key") else RESTORE
            raise CytopipeError(f"{key}: {fault['msg']}", where=where, hint=hint) from None

    @classmethod
    def read(cls, file: Path) -> ModelSpec:
        """Read a model.json.

        Raises:
            CytopipeError: if the file cannot be read, or its content is invalid; see `parse`.
        """
        try:
            if file.stat().st_size > LARGEST:
                raise CytopipeError(f"the file has more than {LARGEST:,} bytes", where=file, hint=RESTORE)
            content = file.read_bytes()
        except OSError as error:
            raise CytopipeError(f"cannot be read ({error.strerror})", where=file, hint=RESTORE) from None
        return cls.parse(content, file)

    def to_json(self) -> bytes:
        """The content of model.json, without the keys that are None."""
        values = self.model_dump(mode="json", exclude_none=True)
        return (json.dumps(values, indent=2, ensure_ascii=False) + "\n").encode()

    def write(self, file: Path) -> None:
        """Write model.json atomically."""
        write_bytes(file, self.to_json())
