"""Guarantees in the report and on the card: the promise, what the test shows of it, and why one is withheld."""

from __future__ import annotations

import re

from cytopipe.report.build import Report
from cytopipe.report.guarantees import guarantees_view
from cytopipe.results.numbers import Estimate
from made_results import guarantee_details

CLASSES = ("a", "b")


def verdict(value: float, low: float | None, high: float | None) -> str:
    details = guarantee_details(CLASSES)
    assert details.sets.scores is not None
    scores = details.sets.scores.model_copy(update={"coverage": Estimate(value=value, low=low, high=high)})
    view = guarantees_view(details.model_copy(update={"sets": details.sets.model_copy(update={"scores": scores})}))
    assert view is not None
    return view.verdict


def test_the_test_agrees_contradicts_or_is_too_small() -> None:
    assert verdict(0.88, 0.8, 0.93) == "The test groups agree with it."
    assert verdict(0.97, 0.95, 0.99) == "The test groups agree with it."  # more than was promised
    assert verdict(0.8, 0.75, 0.85).startswith("The test groups contradict it: 0.800")
    assert verdict(0.8, None, None) == "The test groups are too few to check this."


def test_what_calibrated_the_thresholds_is_named() -> None:
    details = guarantee_details(CLASSES)
    folds = details.model_copy(update={"sets": details.sets.model_copy(update={"groups": (9, 11)})})
    outside = details.model_copy(update={"calibrated_on": "out-of-fold"})
    texts = [view.calibrated for one in (details, folds, outside) if (view := guarantees_view(one))]
    assert texts[:2] == [
        "the 20 validation groups",
        "the 9, 11 validation groups of the folds, and of each network alone; the sets of their mean, which "
        "predicts new images, come from out-of-fold predictions and are not tested here",
    ]
    assert "which guarantees less" in texts[2]
    assert guarantees_view(None) is None


def test_the_page_shows_the_promise_or_why_it_is_withheld(report: Report) -> None:
    sections = report.html.split("Guarantees for new groups")
    assert len(sections) == 3  # of `first` and `second`, not of `folded`, which is of an older version
    text = re.sub(r"<[^>]+>|\s+", " ", sections[1])
    text = re.sub(" +", " ", text)
    assert "contains its class in at least 90 % of cases" in text and "The test groups agree with it." in text
    assert "Drawn over groups 0.910 0.850 to 0.950 1.40 1.20 to 1.70 60 %" in text
    assert "As if images were exchangeable for comparison 0.840" in text
    assert "withheld, because a sensitivity of 95 % with 95 % confidence needs 59 abnormal groups" in text
    assert "At least 95 % on average 0.900 0.600 to 0.980" in text
    assert "withheld, because a coverage of 90 % needs 9 groups" in sections[2]


def test_the_card_says_the_same(report: Report) -> None:
    first, second, folded = (report.cards[f"models/{name}.md"] for name in ("first", "second", "folded"))
    assert "Reached on test groups: 0.910 (0.850 to 0.950)" in first and "the 20 validation groups" in first
    assert "withheld, because a coverage of 90 % needs 9 groups" in second
    assert "## Guarantees" not in folded
