"""Training of gated attention pooling on frozen features of the images of whole groups.

It runs on the processor in one thread of arithmetic order, so that equal features give equal weights: the network is
small, and sums over groups on a GPU come in any order.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from cytopipe.core.params.patients import AttentionPooling
from cytopipe.metrics.patients import Groups, attended
from cytopipe.metrics.platt import fit_line
from cytopipe.models.attention_pooling import GatedAttention

SHARPNESS = (0.0, 0.5, 1.0, 2.0, 3.0)  # first attentions to choose from
MOST_IMAGES = 512  # of a group in one training step; more are drawn anew in each


@dataclass(frozen=True)
class Bags:
    """Groups with their features and labels: N x features float32, the groups of the N images, G booleans.

    The last feature is the log odds of being abnormal, by the classifier, see `GatedAttention`.
    """

    features: np.ndarray
    groups: Groups
    abnormal: np.ndarray

    @property
    def tensor(self) -> torch.Tensor:
        """The features as a tensor."""
        return torch.from_numpy(np.ascontiguousarray(self.features, dtype=np.float32))


def fit_attention(config: AttentionPooling, train: Bags, validation: Bags) -> GatedAttention:
    """Train on training groups; the validation groups choose the epoch and the best of several trainings.

    Each begins with the sharpness whose pooled probabilities fit the groups of both best.

    Args:
        config: parameters of the training.
        train, validation: groups with both labels in each.
    """
    both = [_loss(_first(config, train, one), train, validation) for one in SHARPNESS]
    sharpness = SHARPNESS[int(np.argmin(both))]
    tried = [_fit_once(config, train, validation, sharpness, restart) for restart in range(config.restarts)]
    return min(tried, key=lambda one: one[1])[0].eval()


def _first(config: AttentionPooling, train: Bags, sharpness: float, seed: int = 0) -> GatedAttention:
    """A network before its training: the best line from the pooled probabilities to the log odds of the groups."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = GatedAttention(train.features.shape[1], config.hidden, config.dropout, sharpness)
    spread, mean = torch.std_mean(train.tensor, dim=0, correction=0)
    model.mean.copy_(mean)
    model.scale.copy_(1 / torch.where(spread > 1e-6, spread, torch.ones_like(spread)))
    energies, values = model.attend(train.features).T
    line = fit_line(attended(energies, values, train.groups)[0], train.abnormal)
    with torch.no_grad():
        model.own[1] = line.slope
        model.value.bias.fill_(line.intercept)
    return model


def _fit_once(
    config: AttentionPooling, train: Bags, validation: Bags, sharpness: float, restart: int
) -> tuple[GatedAttention, float]:
    """A trained network with the weights of its best epoch, and its validation loss."""
    seed = config.seed + 7919 * restart
    model, rng = _first(config, train, sharpness, seed), np.random.default_rng([config.seed, restart])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # of dropout
        return model, _train(model, config, train, validation, rng)


def _train(
    model: GatedAttention, config: AttentionPooling, train: Bags, validation: Bags, rng: np.random.Generator
) -> float:
    features = train.tensor
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    members = np.split(np.argsort(train.groups.number, kind="stable"), np.cumsum(train.groups.sizes)[:-1])
    labels, weights = _targets(train.abnormal)
    kept, least, waited = copy.deepcopy(model.state_dict()), _loss(model, validation), 0
    for _ in range(config.epochs):
        model.train()
        for some in _steps(len(train.groups), config.batch_groups, rng):
            rows = [_drawn(members[group], rng) for group in some]
            number = torch.from_numpy(np.repeat(np.arange(len(some)), [len(one) for one in rows]))
            odds = _pooled(model(features[torch.from_numpy(np.concatenate(rows))]), number, len(some))
            loss = F.binary_cross_entropy_with_logits(odds, labels[some], weights[some])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        now = _loss(model, validation)
        if now < least:
            kept, least, waited = copy.deepcopy(model.state_dict()), now, 0
        elif (waited := waited + 1) >= config.patience:
            break
    model.load_state_dict(kept)
    return least


def _steps(groups: int, size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """A shuffled division of the groups into steps of about `size`."""
    return [part for part in np.array_split(rng.permutation(groups), max(1, round(groups / size))) if len(part)]


def _drawn(members: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return members if len(members) <= MOST_IMAGES else rng.choice(members, MOST_IMAGES, replace=False)


def _targets(abnormal: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels, and weights by which both classes count the same."""
    share = float(abnormal.mean())
    weights = np.where(abnormal, 0.5 / share, 0.5 / (1 - share))
    return torch.from_numpy(abnormal.astype(np.float32)), torch.from_numpy(weights.astype(np.float32))


def _pooled(seen: torch.Tensor, number: torch.Tensor, groups: int) -> torch.Tensor:
    """The value of each group: N x 2 energies and values, N indices of groups."""
    energies, values = seen[:, 0], seen[:, 1]
    highest = torch.full((groups,), -torch.inf).scatter_reduce(0, number, energies.detach(), "amax")
    powers = torch.exp(energies - highest[number])
    total = torch.zeros(groups).index_add(0, number, powers)
    return torch.zeros(groups).index_add(0, number, powers * values) / total


def _loss(model: GatedAttention, *parts: Bags) -> float:
    """Balanced cross entropy, the mean over the groups of all parts."""
    model.eval()
    total = 0.0
    with torch.no_grad():
        for bags in parts:
            odds = _pooled(model(bags.tensor), torch.from_numpy(bags.groups.number), len(bags.groups))
            labels, weights = _targets(bags.abnormal)
            total += float(F.binary_cross_entropy_with_logits(odds, labels, weights, reduction="sum"))
    return total / sum(len(bags.groups) for bags in parts)
