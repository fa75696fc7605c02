"""Images unlike a classifier's training images, prepared for the template and the card."""

from __future__ import annotations

from dataclasses import dataclass

from cytopipe.report.read import ClassifierResults
from cytopipe.results.unfamiliar import Unfamiliar


@dataclass(frozen=True)
class UnfamiliarView:
    """What the page says of images unlike the training images."""

    content: Unfamiliar

    @property
    def promise(self) -> str:
        """The rate of false alarms that the thresholds were chosen for, and what the validation images can promise."""
        rules = self.content.rules
        wanted, expected = rules[0].wanted, _range([rule.expected for rule in rules])
        at_most = max(rule.at_most for rule in rules)
        images = _count(sorted({rule.images for rule in rules}))
        text = f"The threshold was chosen for {_percent(wanted)} of false alarms; {images} validation images promise "
        text += f"{expected} if they are independent"
        return f"{text}, {_percent(at_most)} if those of a group are alike." if at_most > wanted else f"{text}."

    @property
    def verdict(self) -> str:
        """Whether the promise holds on test images."""
        if self.content.holds is None:
            return f"Whether that holds is not claimed ({self.content.false_alarms.withheld or 'no interval'})."
        return "That holds on test images." if self.content.holds else "That does not hold on test images."


def unfamiliar_view(one: ClassifierResults) -> UnfamiliarView | None:
    """Prepare a classifier's images unlike its training images; None for a model that does not know these."""
    return None if one.unfamiliar is None else UnfamiliarView(one.unfamiliar)


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def _range(shares: list[float]) -> str:
    low, high = _percent(min(shares)), _percent(max(shares))
    return low if low == high else f"{low} to {high}"


def _count(numbers: list[int]) -> str:
    return f"{numbers[0]:,}" if len(numbers) == 1 else f"{numbers[0]:,} to {numbers[-1]:,}"
