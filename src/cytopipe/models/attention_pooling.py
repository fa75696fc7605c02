"""Gated attention over the images of a group (Ilse 2018, arXiv:1802.04712), on frozen features of a classifier.

MONAI's `MILModel` is not used: it takes images and trains its own backbone, it has no gate, and it pads every group to
one size without a mask. What the pooled embedding passes through here is linear, so that each image is left with two
numbers, its energy and its value (`metrics.patients.attended`): a table of predictions can hold them, and neither an
interrupted run nor a group of any size needs the features.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import torch as safetensors
from torch import nn

from cytopipe.errors import CytopipeError
from cytopipe.metrics.patients import EDGE, log_odds
from cytopipe.models.decision_rule import abnormality, calibrate
from cytopipe.models.pretrained import check_fit, read_tensors
from cytopipe.results.model_spec import RESTORE, DecisionRule


def attention_inputs(
    probabilities: np.ndarray, features: np.ndarray | None, rule: DecisionRule, classes: Sequence[str]
) -> np.ndarray:
    """What attention pooling sees of each image: its penultimate features and the log odds of being abnormal.

    Args:
        probabilities: N x classes float64, uncalibrated.
        features: N x D float64, of the same pass; see `probabilities_and_features`.
        rule: decision rule of the classifier.
        classes: its classes.

    Returns:
        N x (D + 1) float32.

    Raises:
        CytopipeError: the classifier has no single head, hence no such features.
    """
    if features is None:
        raise CytopipeError(
            "this network has no single head, whose features attention pooling needs", hint="patients: {rule: auto}"
        )
    scores = abnormality(calibrate(rule, probabilities), classes, rule.abnormal)
    odds = log_odds(np.clip(scores, EDGE, 1 - EDGE))
    return np.concatenate([features, odds[:, None]], axis=1).astype(np.float32)


class GatedAttention(nn.Module):
    """Energy and value of every image, from its features and what the classifier itself says of it.

    It begins as a mean of the classifier's probabilities, weighted by the softmax of `sharpness` times their log odds
    (standardised): 0 is the plain mean, and large numbers come close to the highest. Training adds what the features
    know, so that few groups do not have to teach it what the classifier has learned from many images.

    Args:
        features: number of features of an image; the last of them is the log odds of being abnormal.
        hidden: units of the projection; the attention has half of them.
        dropout: share of the projection that is dropped in training.
        sharpness: of the first attention.
    """

    def __init__(self, features: int, hidden: int, dropout: float = 0.0, sharpness: float = 1.0) -> None:
        super().__init__()
        inner = max(1, hidden // 2)
        self.mean: torch.Tensor
        self.scale: torch.Tensor
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.project = nn.Linear(features, hidden)
        self.content, self.gate = nn.Linear(hidden, inner), nn.Linear(hidden, inner)
        self.energy = nn.Linear(inner, 1, bias=False)
        self.value = nn.Linear(hidden, 1)
        self.own = nn.Parameter(torch.tensor([sharpness, 1.0]))  # weights of the classifier's answer in both
        for layer in (self.energy.weight, self.value.weight, self.value.bias):
            nn.init.zeros_(layer)
        self.drop = nn.Dropout(dropout)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """N x 2 energies and values for N x features."""
        seen = (features - self.mean) * self.scale
        hidden = self.drop(torch.relu(self.project(seen)))
        attention = torch.tanh(self.content(hidden)) * torch.sigmoid(self.gate(hidden))
        own = torch.stack([seen[:, -1], torch.sigmoid(features[:, -1])], dim=1)
        return torch.cat([self.energy(attention), self.value(hidden)], dim=1) + own * self.own

    def save(self) -> bytes:
        """The weights as a safetensors file; equal weights give equal bytes."""
        state = {name: tensor.detach().contiguous() for name, tensor in self.state_dict().items()}
        return safetensors.save(state, metadata={"format": "pt"})

    @classmethod
    def load(cls, file: Path) -> GatedAttention:
        """Rebuild a saved network in evaluation mode.

        Args:
            file: patients.safetensors of a model folder.

        Raises:
            CytopipeError: the file is missing or damaged.
        """
        try:
            content = file.read_bytes()
        except OSError as error:
            raise CytopipeError(f"cannot be read ({error.strerror})", where=file, hint=RESTORE) from None
        weights = read_tensors(file, content)
        hidden, features = weights["project.weight"].shape if "project.weight" in weights else (1, 1)
        with torch.random.fork_rng(devices=[]):
            model = cls(features, hidden)
        check_fit(weights, model.state_dict(), file)
        model.load_state_dict(weights)
        return model.eval()

    def attend(self, features: np.ndarray) -> np.ndarray:
        """N x 2 float64 energies and values for N x features float32, in evaluation mode."""
        with torch.inference_mode():
            found: np.ndarray = (
                self.eval()(torch.from_numpy(np.ascontiguousarray(features, dtype=np.float32))).double().numpy()
            )
        return found
