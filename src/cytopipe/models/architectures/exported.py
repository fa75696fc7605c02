"""Detectors that others exported, as TorchScript or ONNX; the file travels inside the weights of the model folder.

What they say of a picture has one of three forms: probabilities, a probability with the distance to the outline, or
label maps, as InstanSeg writes them (Goldsborough et al. 2024, "InstanSeg", arXiv:2408.15954).
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from cytopipe.errors import CytopipeError
from cytopipe.models.external_data import refuse_external_data
from cytopipe.models.registry import register
from cytopipe.models.trust import require_trust

LARGEST = 1 << 30  # bytes of a file
MOST_CHANNELS = 2
Output = Literal["probability", "distance", "labels"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Bytes = Annotated[int, Field(ge=1, le=LARGEST)]
CERTAIN = 1e-4  # probabilities are cut to this much from 0 and 1 before they become logits


class Exported(nn.Module):
    """A network in a file that somebody else wrote.

    Args:
        sha256: of the file.
        size: of the file, bytes.
        output: what it says, in one or two channels. probability: of the whole cell, then of the nucleus. distance:
            probability of the cell, then the distance to its outline, in any unit. labels: 0 or the number of a cell;
            of two channels, the first are nuclei.
        logits: whether probabilities are given as logits.
        multiple: sides of a picture that it takes are multiples of it, pixels.
        margin: pixels that it needs around what it is asked for.
    """

    program: Tensor

    def __init__(self, sha256: str, size: int, output: Output, logits: bool, multiple: int, margin: int) -> None:
        super().__init__()
        self.sha256, self.output, self.logits, self.multiple, self.margin = sha256, output, logits, multiple, margin
        self.register_buffer("program", torch.zeros(size, dtype=torch.uint8))
        self._run: Any = None

    def take(self, path: Path) -> None:
        """Take the file in.

        Raises:
            CytopipeError: it cannot be read, is too large, or is not the one that was named.
        """
        try:
            length = path.stat().st_size
            data = path.read_bytes() if length <= LARGEST else b""
        except OSError as error:
            raise CytopipeError(f"cannot be read ({error.strerror})", where=path) from None
        found = hashlib.sha256(data).hexdigest()
        if (length, found) != (self.program.numel(), self.sha256):
            raise CytopipeError(
                f"has {length:,} bytes and the SHA-256 {found}, not {self.program.numel():,} and {self.sha256}",
                where=path,
                hint="correct arguments.size and arguments.sha256, if this is the file that you mean",
            )
        self.program = torch.frombuffer(bytearray(data), dtype=torch.uint8)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Outputs for images N x 3 x H x W.

        Returns:
            `raw`: N x C x H x W float32, as `output` says, probabilities between 0 and 1. `cyt` and `nuc`: logits of
            the whole cell and the nucleus, N x 1 x H x W.

        Raises:
            CytopipeError: the file may not be run, is damaged or another one, or gives another shape.
        """
        if self._run is None:
            data = self.program.cpu().numpy().tobytes()
            if hashlib.sha256(data).hexdigest() != self.sha256:
                raise CytopipeError("the exported network is not the one that was named", where=self.sha256)
            self._run = self.open(data, images.device)
        raw = self._run(images)
        if not isinstance(raw, Tensor):
            raise CytopipeError(f"an exported detector gives one array, not {type(raw).__name__}", where=self.sha256)
        expected = (len(images), *images.shape[2:])
        if raw.ndim != 4 or (raw.shape[0], *raw.shape[2:]) != expected or not 1 <= raw.shape[1] <= MOST_CHANNELS:
            raise CytopipeError(
                f"gives an array of {tuple(raw.shape)} for images of {tuple(images.shape)}",
                where=self.sha256,
                hint=f"export it so that it gives N x 1 or {MOST_CHANNELS} x H x W",
            )
        raw = raw.to(images.device, torch.float32)
        if self.output == "labels":
            inside = (raw > 0).float()
            cell, nucleus = inside[:, -1:], inside[:, :1] * float(raw.shape[1] > 1)
        else:
            count = raw.shape[1] if self.output == "probability" else 1
            if self.logits:
                raw = torch.cat([torch.sigmoid(raw[:, :count]), raw[:, count:]], dim=1)
            cell, nucleus = raw[:, :1], raw[:, 1:2] if count > 1 else torch.zeros_like(raw[:, :1])
        return {"raw": raw, "cyt": _logit(cell), "nuc": _logit(nucleus)}

    def open(self, data: bytes, device: torch.device) -> Any:
        """What runs images N x 3 x H x W, from the content of the file."""
        raise NotImplementedError


def _logit(probability: Tensor) -> Tensor:
    return torch.logit(probability.clamp(CERTAIN, 1 - CERTAIN))


@register("torchscript", task="segmentation", paper="any, exported by torch.jit.save", input_size=256)
class TorchScriptDetector(Exported):
    """A detector that others exported as TorchScript; it runs its author's code, which `trust` allows.

    Args:
        sha256, size, output, logits, multiple, margin: see `Exported`.
        trust: allow the file to run. Only what stands in the project's own params.yaml counts; see `models.trust`.
    """

    def __init__(
        self,
        sha256: Sha256,
        size: Bytes,
        output: Output,
        logits: bool = False,
        multiple: PositiveInt = 32,
        margin: NonNegativeInt = 64,
        trust: bool = False,
    ) -> None:
        super().__init__(sha256, size, output, logits, multiple, margin)

    def open(self, data: bytes, device: torch.device) -> Any:
        """See `Exported.open`; raises CytopipeError if nobody trusts the file, or if it is none."""
        require_trust(self.sha256)
        try:
            return torch.jit.load(io.BytesIO(data), map_location=device).eval()
        except (RuntimeError, ValueError) as error:
            raise CytopipeError(f"this is no TorchScript ({str(error).splitlines()[0]})", where=self.sha256) from None


@register("onnx", task="segmentation", paper="any, exported as ONNX", input_size=256)
class OnnxDetector(Exported):
    """A detector that others exported as ONNX, without tensors in other files; it needs the extra `export`.

    Args:
        sha256, size, output, logits, multiple, margin: see `Exported`.
    """

    def __init__(
        self,
        sha256: Sha256,
        size: Bytes,
        output: Output,
        logits: bool = False,
        multiple: PositiveInt = 32,
        margin: NonNegativeInt = 64,
    ) -> None:
        super().__init__(sha256, size, output, logits, multiple, margin)

    def open(self, data: bytes, device: torch.device) -> Any:
        """See `Exported.open`; raises CytopipeError without ONNX Runtime, or if the file is none."""
        try:
            import onnxruntime
        except ImportError:
            raise CytopipeError(
                "ONNX Runtime is not installed", where="onnx", hint="pip install 'cytopipe[export]'"
            ) from None
        refuse_external_data(data, self.sha256)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors
        try:
            session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has an exception for every fault
            raise CytopipeError(f"cannot be run ({str(error).splitlines()[0]:.200})", where=self.sha256) from None
        name = session.get_inputs()[0].name
        return lambda images: torch.from_numpy(session.run(None, {name: images.cpu().contiguous().numpy()})[0])
