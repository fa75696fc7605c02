"""Whose TorchScript may run: loading such a file executes what its author wrote, so that somebody has to allow it.

A file is named by its SHA-256. A project allows it by `arguments: {trust: true}` of a segmenter in its own params.yaml;
outside of a project the environment variable CYTOPIPE_TRUST lists the files, with commas between. What a model folder
says of itself allows nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from cytopipe.core.params import Segmenter
from cytopipe.errors import CytopipeError

VARIABLE = "CYTOPIPE_TRUST"
_ALLOWED: set[str] = set()


def allow_named(segmenters: Mapping[str, Segmenter]) -> None:
    """Allow the files that params.yaml trusts, for the rest of the process."""
    for config in segmenters.values():
        if config.architecture == "torchscript" and config.arguments.get("trust") is True:
            _ALLOWED.add(str(config.arguments.get("sha256")))


def require_trust(sha256: str) -> None:
    """Check that a file may be executed.

    Raises:
        CytopipeError: nobody has allowed it.
    """
    named = {one.strip() for one in os.environ.get(VARIABLE, "").split(",")}
    if sha256 not in _ALLOWED | named:
        raise CytopipeError(
            "this detector is TorchScript, which runs its author's code when it is loaded, and nobody has allowed that",
            where="torchscript",
            hint=f"if you trust its source: arguments: {{trust: true}} in params.yaml, or {VARIABLE}={sha256} for a "
            "command; ONNX needs no trust",
        )
