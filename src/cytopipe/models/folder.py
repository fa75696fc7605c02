"""A trained model as a folder: weights.safetensors, model.json, SHA256SUMS. Inference needs nothing else.

Equal models give equal bytes. Nothing is used before its checksum is verified, and no pickle is ever loaded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from stat import S_ISREG
from typing import Annotated, Any, Literal

import torch
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)
from safetensors import torch as safetensors
from torch import nn

from cytopipe.errors import CytopipeError
from cytopipe.models.files import FOLDS, RESTORE, SPEC, SUMS, WEIGHTS
from cytopipe.models.heads import Activation, Head, build_classifier
from cytopipe.models.pretrained import check_fit, read_tensors
from cytopipe.models.registry import Task

MAIN = ""  # the part of a folder that holds one model alone
OTHER_VERSION = "the model is of another version of cytopipe: install that one, or train the model again"
CHANNEL_COUNTS = {"rgb": 3, "rgb+masks": 5, "masked": 3}


def _canonical(value: Any) -> Any:
    """The value as JSON gives it back: lists for tuples, keys sorted at every level."""
    try:
        return json.loads(json.dumps(value, sort_keys=True, allow_nan=False))
    except TypeError as error:
        raise ValueError(f"not JSON: {error}") from None


JsonDict = Annotated[dict[str, Any], BeforeValidator(_canonical)]


class ModelSpec(BaseModel):
    """What model.json holds: all that is needed to rebuild a network and to feed it.

    Attributes:
        task: segmentation or classification.
        architecture: name in the registry.
        arguments: of the architecture's builder.
        head: own (the architecture's) or what replaces it; see `heads.replace_head`.
        activation: of all layers, or None for the architecture's own.
        freeze: whether only the head was trained.
        classes: of the logits (classification) or heads (segmentation), in order.
        channels: rgb; rgb+masks: with cytoplasm and nucleus as channels 4 and 5; masked: rgb, background 0.
        input_size: side in pixels of the square images that are stored.
        resized_to: side in pixels of the network's input, to which they are resized; None: input_size.
        mean: of each input channel; images are uint8 / 255, then (x - mean) / std.
        std: of each input channel.
        tta: 8 averages the probabilities of the turned and mirrored images, 1 takes the image as it is.
        training_data_sha256: of the training data, in hexadecimal digits.
        extra: a stage's own values, such as the scale of tiles.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Task
    architecture: str
    arguments: JsonDict
    head: Head = "own"
    activation: Activation | None = None
    freeze: bool = False
    classes: Annotated[tuple[str, ...], Field(min_length=1)]
    channels: Literal["rgb", "rgb+masks", "masked"]
    input_size: PositiveInt
    resized_to: PositiveInt | None = None
    mean: tuple[FiniteFloat, ...]
    std: tuple[Annotated[FiniteFloat, Field(gt=0)], ...]
    tta: Literal[1, 8] = 1
    training_data_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    extra: JsonDict = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_mean_and_std_for_each_channel(self) -> ModelSpec:
        count = CHANNEL_COUNTS[self.channels]
        if (len(self.mean), len(self.std)) != (count, count):
            raise ValueError(f"{self.channels} needs {count} values each in mean and std")
        return self


def part_of(fold: int) -> str:
    """Where a fold's model lies below the folder."""
    return f"folds/{fold}"


def seed_part(number: int) -> str:
    """Where the network of a further seed lies below the folder; that of the first is the folder's own."""
    return f"seeds/{number}" if number else MAIN


def read_folds(model_folder: Path) -> dict[str, int]:
    """The fold that tests each image; empty for a model without folds."""
    file = model_folder / FOLDS
    return json.loads(file.read_text()) if file.is_file() else {}


def save_model(folder: Path, model: nn.Module, spec: ModelSpec, more: Mapping[str, bytes] | None = None) -> None:
    """Write weights.safetensors, model.json, SHA256SUMS and `more` files by name into a folder, made if need be.

    They are overwritten in place; a caller that needs all or nothing writes to a temporary folder.
    """
    # Clones, because tied weights share memory and channels_last ones are strided: safetensors refuses both.
    state = {
        key: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for key, tensor in model.state_dict().items()
    }
    # One metadata key: several would be written in random order.
    files = {
        SPEC: (json.dumps(spec.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n").encode(),
        WEIGHTS: safetensors.save(state, metadata={"format": "pt"}),
        **(more or {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items())
    (folder / SUMS).write_text(sums)


def load_model(folder: Path, device: str | torch.device = "cpu") -> tuple[nn.Module, ModelSpec]:
    """Rebuild a saved model.

    Returns:
        The network in eval mode on the device, and its specification. torch's generator is left as it was.

    Raises:
        CytopipeError: a file is missing, changed or not what it should be, or the weights do not fit the
            architecture (the first key is named).
    """
    files = _verified_files(folder)
    try:
        spec = ModelSpec.model_validate_json(files[SPEC])
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in fault["loc"]) or "model"
        if fault["type"] == "extra_forbidden":
            raise CytopipeError(f"unknown key '{key}'", where=folder / SPEC, hint=OTHER_VERSION) from None
        raise CytopipeError(f"{key}: {fault['msg']}", where=folder / SPEC, hint=RESTORE) from None
    weights = read_tensors(folder / WEIGHTS, files[WEIGHTS])
    with torch.random.fork_rng(devices=[]):
        model = build_classifier(
            spec.architecture, spec.arguments, head=spec.head, activation=spec.activation, freeze=spec.freeze
        )
    check_fit(weights, model.state_dict(), folder / WEIGHTS)
    model.load_state_dict(weights)
    return model.to(device).eval(), spec


def _verified_files(folder: Path) -> dict[str, bytes]:
    """Bytes of every file that SHA256SUMS lists, each read once and equal to its checksum."""
    if not folder.is_dir():
        raise CytopipeError("there is no such model folder", where=folder, hint="train the model first")
    files = {}
    for number, line in enumerate(_read(folder / SUMS).decode(errors="replace").splitlines(), start=1):
        digest, _, name = line.partition("  ")
        if name in ("", ".", "..") or "/" in name or "\\" in name:
            raise CytopipeError(f"'{name}' is not a plain file name", where=f"{folder / SUMS}:{number}", hint=RESTORE)
        files[name] = _read(folder / name)
        if hashlib.sha256(files[name]).hexdigest() != digest:
            raise CytopipeError(
                "does not match its checksum: the file is damaged or was changed",
                where=folder / name,
                hint=RESTORE,
            )
    for name in (SPEC, WEIGHTS):
        if name not in files:
            raise CytopipeError(f"{name} is not listed", where=folder / SUMS, hint=RESTORE)
    return files


def _read(path: Path) -> bytes:
    """A regular file, or what a link leads to: DVC may link to its cache. Its checksum judges the content."""
    try:
        if not S_ISREG(path.stat().st_mode):
            raise CytopipeError("this is no file", where=path, hint=RESTORE)  # a pipe or device may never end
        return path.read_bytes()
    except (OSError, ValueError, MemoryError) as error:  # ValueError: a null byte in the name
        reason = getattr(error, "strerror", None) or error or "it does not fit into memory"
        raise CytopipeError(f"cannot be read ({reason})", where=path, hint=RESTORE) from None
