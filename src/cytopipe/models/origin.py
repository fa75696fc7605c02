"""What a file of imported weights says about itself: its checkpoint, and how the images were normalised."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from cytopipe.errors import CytopipeError

KEY = "cytopipe"  # the only metadata key: safetensors writes several in random order
Channels = tuple[float, float, float]


class Origin(BaseModel):
    """Where weights come from.

    Attributes:
        architecture: `timm/NAME` or `torchvision/NAME`, whose keys the tensors have.
        in_channels: channels of the image.
        classes: number of outputs of the head; None: the file has no head.
        mean: of each colour channel, on the 0-1 scale, with which the weights were trained.
        std: standard deviation likewise.
        source: name of the checkpoint.
        source_sha256: of the checkpoint.
        part: what stood before each key in the checkpoint, such as `teacher.backbone.`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    architecture: str
    in_channels: int
    classes: int | None
    mean: Channels
    std: Channels
    source: str
    source_sha256: str
    part: str


def read_origin(file: Path) -> Origin | None:
    """What the header of a safetensors file says; None for a file that was not imported, and for none at all.

    Raises:
        CytopipeError: the file has this metadata, and it is damaged.
    """
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            metadata = json.loads(stream.read(min(length, file.stat().st_size))).get("__metadata__") or {}
            text = metadata.get(KEY)
    except (OSError, ValueError, AttributeError, RecursionError):
        return None  # read_tensors says what is wrong
    if text is None:
        return None
    try:
        return Origin.model_validate_json(text)
    except ValidationError as error:
        raise CytopipeError(
            f"its metadata is damaged ({error.errors()[0]['msg']})",
            where=file,
            hint="import the checkpoint again: cytopipe weights import",
        ) from None
