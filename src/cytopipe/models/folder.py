"""A trained model as a folder: weights.safetensors, model.json, SHA256SUMS. Inference needs nothing else.

Equal models give equal bytes. Every file is verified against its checksum before it is used, and no pickle is loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import torch as safetensors
from torch import nn

from cytopipe.errors import CytopipeError
from cytopipe.models.bounds import MOST_FILES, bounded_network, read_bounded
from cytopipe.models.files import SUMS, WEIGHTS
from cytopipe.models.heads import build_classifier
from cytopipe.models.pretrained import check_fit, read_tensors
from cytopipe.results.model_spec import RESTORE, SPEC, ModelSpec


def save_model(folder: Path, model: nn.Module, spec: ModelSpec, more: Mapping[str, bytes] | None = None) -> None:
    """Write a model folder, which is created if necessary.

    Existing files are overwritten in place; a caller that needs all or nothing writes to a temporary folder.

    Args:
        folder: target folder.
        model: network to save, with all its buffers.
        spec: specification from which `load_model` rebuilds it.
        more: further files by name, listed in SHA256SUMS too.
    """
    # Clones, because tied weights share memory and channels-last weights are strided: safetensors rejects both.
    state = {
        key: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for key, tensor in model.state_dict().items()
    }
    # A single metadata key: several would be written in random order.
    files = {
        SPEC: spec.to_json(),
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
        The network in evaluation mode on the device, and its specification. torch's random generator is not advanced.

    Raises:
        CytopipeError: a file is missing, changed or invalid, or the weights do not fit the architecture (the message
            names the first key).
    """
    files = verified_files(folder, (SPEC, WEIGHTS))
    spec = ModelSpec.parse(files[SPEC], folder / SPEC)
    weights = read_tensors(folder / WEIGHTS, files[WEIGHTS])
    with torch.random.fork_rng(devices=[]), bounded_network(folder, len(files[WEIGHTS])):
        model = build_classifier(
            spec.architecture, spec.arguments, head=spec.head, activation=spec.activation, freeze=spec.freeze
        )
    check_fit(weights, model.state_dict(), folder / WEIGHTS)
    model.load_state_dict(weights)
    return model.to(device).eval(), spec


def list_file(folder: Path, name: str, data: bytes) -> None:
    """Write one more file into a model folder and list it in SHA256SUMS, which is created if necessary."""
    (folder / name).write_bytes(data)
    sums = folder / SUMS
    before = sums.read_text() if sums.is_file() else ""
    sums.write_text(f"{before}{hashlib.sha256(data).hexdigest()}  {name}\n")


def verified_files(folder: Path, needed: Sequence[str]) -> dict[str, bytes]:
    """Contents of every file listed in SHA256SUMS, each read once and checked against its checksum.

    Args:
        folder: the model folder.
        needed: names that must be listed.

    Raises:
        CytopipeError: a file is missing, unreadable or changed, or is needed and not listed.
    """
    if not folder.is_dir():
        raise CytopipeError("there is no such model folder", where=folder, hint="train the model first")
    files: dict[str, bytes] = {}
    for number, line in enumerate(read_bounded(folder / SUMS).decode(errors="replace").splitlines(), start=1):
        if number > MOST_FILES:
            raise CytopipeError(f"lists more than {MOST_FILES:,} files", where=folder / SUMS, hint=RESTORE)
        digest, _, name = line.partition("  ")
        if name in ("", ".", "..") or "/" in name or "\\" in name:
            raise CytopipeError(f"'{name}' is not a plain file name", where=f"{folder / SUMS}:{number}", hint=RESTORE)
        files[name] = read_bounded(folder / name)
        if hashlib.sha256(files[name]).hexdigest() != digest:
            raise CytopipeError(
                "does not match its checksum: the file is damaged or was changed",
                where=folder / name,
                hint=RESTORE,
            )
    for name in needed:
        if name not in files:
            raise CytopipeError(f"{name} is not listed", where=folder / SUMS, hint=RESTORE)
    return files
