"""Compile the training steps of a network, where a compiler is at hand."""

from __future__ import annotations

import os
import shutil
from typing import cast

import torch
from torch import nn

from cytopipe.errors import CytopipeError

COMPILERS = ("g++", "clang++")


def compiled(model: nn.Module, wanted: bool) -> nn.Module:
    """The network for the forward passes of the training: compiled if this is wanted, or itself.

    Both share weights. Validation and what follows use the network itself, as those who load it will.

    Raises:
        CytopipeError: there is no C++ compiler, which torch.compile calls.
    """
    if not wanted:
        return model
    named = [os.environ["CXX"]] if os.environ.get("CXX") else COMPILERS
    if not any(shutil.which(name) for name in named):
        raise CytopipeError(
            f"there is no C++ compiler here ({' or '.join(named)}), which torch.compile needs",
            where="training.compile",
            hint="install one (Debian: apt-get install g++), or set compile: false",
        )
    return cast(nn.Module, torch.compile(model))
