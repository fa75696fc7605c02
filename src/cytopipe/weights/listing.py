"""What `pretrained` can name in a project: its files of weights, and the packages that are installed."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from cytopipe.core.params import PACKAGE_WEIGHTS
from cytopipe.models.origin import read_origin
from cytopipe.models.packages import WHEELS
from cytopipe.weights.importing import FOLDER, SUFFIX


class Start(NamedTuple):
    """Weights that a network can start from.

    Attributes:
        pretrained: what to write into params.yaml.
        architecture: the network; "" if the file does not say.
        origin: the checkpoint or package they come from.
        ready: whether they are on this machine.
    """

    pretrained: str
    architecture: str
    origin: str
    ready: bool


def starts(root: Path) -> list[Start]:
    """The files of weights of a project by name, then the networks that packages have.

    Raises:
        CytopipeError: the metadata of a file is damaged.
    """
    found = []
    for file in sorted((root / FOLDER).glob(f"*{SUFFIX}")):
        origin = read_origin(file)
        text = f"{origin.source} (SHA-256 {origin.source_sha256[:12]}...)" if origin else "not imported here"
        found.append(Start((FOLDER / file.name).as_posix(), origin.architecture if origin else "", text, True))
    for network, wheel in WHEELS.items():
        ready = wheel.installed() == wheel.version
        found.append(Start(PACKAGE_WEIGHTS.as_posix(), f"timm/{network}", f"{wheel.name} {wheel.version}", ready))
    return found
