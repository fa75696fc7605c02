"""An entry of the registry of metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cytopipe.core.pipeline.processor import TOLERANCE
from cytopipe.metrics.intervals import METHODS, Scale

Task = Literal["classification", "patients", "segmentation", "screening"]
Direction = Literal["higher", "lower"]
Score = Callable[[np.ndarray, np.ndarray], float | None]
NO_INTERVAL = "none: on finite test sets the estimate is biased upwards (Bröcker 2012, Kumar et al. 2019)"


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        key: its name in results, baselines and MLflow.
        title: its name for people.
        definition: what it is, in one line for people.
        task: task of the models that it measures.
        scale: where its values lie, which decides how its interval is made; None: it has none, or `interval` says it.
        interval: how its interval is made, where that does not follow from the scale.
        function: computes it from N class indices and N x classes probabilities; None if it is only read from details.
        source: dotted path in details.json; by default `metrics.<key>`.
        short: short name, for narrow columns; by default the title.
        column: its name in metrics.json, shared by tasks for which it means the same; empty: not in metrics.json.
        ranked: whether it is a column of the leaderboard.
        gated: whether the gate compares it by default.
        direction: whether higher or lower values are better.
        tolerance: absolute loss that the gate accepts by default, and difference between machines of another kind.
        digits: number of decimals in reports.
        unit: unit in reports; empty for a number between 0 and 1.
        signed: whether a report shows its sign.
        hidden: whether it is in details.json and the card only, not in the report.
    """

    key: str
    title: str
    task: Task
    definition: str
    scale: Scale | None = "share"
    interval: str = ""
    function: Score | None = None
    source: str = ""
    short: str = ""
    column: str = ""
    ranked: bool = False
    gated: bool = False
    direction: Direction = "higher"
    tolerance: float = TOLERANCE
    digits: int = 3
    unit: str = ""
    signed: bool = False
    hidden: bool = False

    @property
    def place(self) -> str:
        """Dotted path in details.json."""
        return self.source or f"metrics.{self.key}"

    @property
    def name(self) -> str:
        """Short name, for narrow columns."""
        return self.short or self.title

    @property
    def method(self) -> str:
        """How its interval is made."""
        return self.interval or (METHODS[self.scale] if self.scale else NO_INTERVAL)

    @property
    def is_share(self) -> bool:
        """Whether it is between 0 and 1 and can be drawn on such an axis."""
        return not self.unit

    @property
    def margin(self) -> float:
        """Absolute loss that the gate refuses whatever the noise: five times the default tolerance."""
        return 5 * self.tolerance

    @property
    def collapse(self) -> float:
        """Absolute loss of one group from which it has collapsed: half of what can be lost, for a share."""
        return 5 * self.margin
