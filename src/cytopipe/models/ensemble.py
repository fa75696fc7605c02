"""Several networks that are one classifier: the folds of a cross-validation, or trainings with several seeds.

Its probabilities are the mean of the networks' (a deep ensemble, Lakshminarayanan 2017, arXiv:1612.01474), and its
decision rule is its own: see `results.ensemble`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from cytopipe.errors import CytopipeError
from cytopipe.models.files import SUMS, WEIGHTS
from cytopipe.models.folder import list_file, load_model, verified_files
from cytopipe.models.folds import Folds
from cytopipe.models.members import SHARED, not_an_ensemble, of_ensemble
from cytopipe.results.ensemble import CHOSEN_ON, ENSEMBLE, PERFORMANCE, Ensemble, Kind
from cytopipe.results.guarantees import GuaranteeRule
from cytopipe.results.model_spec import RESTORE, SPEC, DecisionRule, ModelSpec

Array = TypeVar("Array", Tensor, np.ndarray)
SMALLEST = 1e-300  # below every probability that matters; the logarithm of 0 has no gradient


class MeanOfNetworks(nn.Module):
    """A classifier whose probabilities are the mean of those of its members, which all see the same input.

    Args:
        members: two or more networks, each from N x C x S x S images to N x classes logits.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def probabilities(self, images: Tensor) -> Tensor:
        """N x C x S x S images -> N x classes float64; the members run one after another."""
        return mean_of([probabilities_of(member, images) for member in self.members])

    def forward(self, images: Tensor) -> Tensor:
        """Logits, N x classes float64, whose softmax is the mean of the members' probabilities."""
        return torch.log(self.probabilities(images).clamp_min(SMALLEST))


def probabilities_of(model: nn.Module, images: Tensor) -> Tensor:
    """Probabilities of a network or of several, N x classes float64, for N x C x S x S images."""
    if isinstance(model, MeanOfNetworks):
        return model.probabilities(images)
    return torch.softmax(model(images).double(), dim=1)


def mean_of(found: Sequence[Array]) -> Array:
    """The mean of several networks' probabilities, N x classes float64 each: the only place that takes it.

    One is added after the other, because the order in which a library sums over an axis depends on the shape.
    """
    total, *others = found
    for one in others:
        total = total + one
    return total / len(found)


def members_of(model: nn.Module) -> Sequence[nn.Module]:
    """The networks that make up a classifier; a single one is its own only member."""
    return list(model.members) if isinstance(model, MeanOfNetworks) else [model]


def load_classifier(folder: Path, device: str | torch.device = "cpu") -> tuple[nn.Module, ModelSpec]:
    """Rebuild the model of a folder: its network, or the mean of all networks that its ensemble.json names.

    Returns:
        The network in evaluation mode on the device, and its specification, with the decision rule of the whole.

    Raises:
        CytopipeError: a file is missing, changed or invalid; the members are not those whose predictions chose the
            rule, or take different input; or the folder holds networks of folds without a rule for their mean.
    """
    if not (folder / ENSEMBLE).is_file():
        if Folds.read(folder) and not (folder / SPEC).is_file():
            raise not_an_ensemble(folder)
        return load_model(folder, device)
    ensemble = Ensemble.parse(verified_files(folder, (ENSEMBLE,))[ENSEMBLE], folder / ENSEMBLE)
    loaded = []
    for part, digest in ensemble.members.items():
        loaded.append(load_model(folder / part, device))
        if member_digest(folder / part) != digest:
            raise CytopipeError(
                "is not the network whose predictions chose the decision rule", where=folder / part, hint=RESTORE
            )
        _check_alike(loaded[0][1], loaded[-1][1], folder / part)
    return MeanOfNetworks([model for model, _ in loaded]).eval(), of_ensemble(loaded[0][1], ensemble)


def save_ensemble(
    folder: Path,
    kind: Kind,
    parts: Sequence[str],
    rule: DecisionRule,
    images: int,
    groups: int,
    guarantees: GuaranteeRule | None = None,
) -> Ensemble:
    """Write ensemble.json into a folder that holds its networks already, and list it in SHA256SUMS.

    Args:
        folder: the model folder.
        kind: what the networks differ in.
        parts: subfolders of the networks; `MAIN` is the folder itself.
        rule: decision rule of their mean.
        images, groups: how many images of how many groups chose it.
        guarantees: what their mean guarantees for new groups.
    """
    ensemble = Ensemble(
        kind=kind,
        members={part or ".": member_digest(folder / part) for part in parts},
        decision_rule=rule,
        images=images,
        groups=groups,
        chosen_on=CHOSEN_ON[kind],
        performance=PERFORMANCE[kind],
        guarantees=guarantees,
    )
    list_file(folder, ENSEMBLE, ensemble.to_json())
    return ensemble


def member_digest(folder: Path) -> str:
    """SHA-256, in hexadecimal digits, over the checksums of a network's model.json and weights."""
    lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    own = sorted(line for line in lines if line.partition("  ")[2] in (SPEC, WEIGHTS))
    return hashlib.sha256("\n".join(own).encode()).hexdigest()


def _check_alike(first: ModelSpec, other: ModelSpec, where: Path) -> None:
    if different := [key for key in SHARED if getattr(first, key) != getattr(other, key)]:
        raise CytopipeError(
            f"has another {different[0]} than the first network, and all must see the same input", where=where
        )
