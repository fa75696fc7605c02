"""The exponential moving average of a network's weights over the steps of its training.

Polyak and Juditsky 1992, "Acceleration of Stochastic Approximation by Averaging", doi:10.1137/0330046. timm's
`ModelEmaV3` computes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from cytopipe.core.params import Ema


class Average:
    """Averages the weights, and the statistics of batch normalisation with them; counters are copied.

    The first step is taken over as it is; after step t > 1 the average a becomes d * a + (1 - d) * w, where w are the
    weights, and d is `decay`, or with `warmup` at most 1 - t^(-2/3).

    Args:
        model: the network before its first step, which is copied.
        config: decay and warmup.
    """

    def __init__(self, model: nn.Module, config: Ema) -> None:
        from cytopipe.models.without_compiler import timm

        utilities: Any = timm.utils  # type: ignore[attr-defined]  # a submodule that timm imports itself
        self._ema = utilities.ModelEmaV3(model, decay=config.decay, use_warmup=config.warmup)
        self._steps = 0

    def update(self, model: nn.Module) -> None:
        """Take in the weights after a step."""
        self._steps += 1
        self._ema.update(model, step=self._steps)

    @property
    def weights(self) -> dict[str, Any]:
        """The averaged state, with the keys of the network."""
        weights: dict[str, Any] = self._ema.module.state_dict()
        return weights

    def state_dict(self) -> dict[str, Any]:
        """State to store in a checkpoint."""
        return {"steps": self._steps, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state from a checkpoint."""
        self._steps = state["steps"]
        self._ema.module.load_state_dict(state["weights"])


@contextmanager
def applied(average: Average | None, model: nn.Module) -> Iterator[None]:
    """The network holds the averaged weights for a while, then its own again; without an average it keeps its own."""
    if average is None:
        yield
        return
    own = {name: value.detach().clone() for name, value in model.state_dict().items()}
    model.load_state_dict(average.weights)
    try:
        yield
    finally:
        model.load_state_dict(own)
