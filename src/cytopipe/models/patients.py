"""Answers for whole groups of images, by the rule in a model folder; `training.patients` fits it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cytopipe.errors import CytopipeError
from cytopipe.metrics.patients import Groups, attended, expit, log_odds, most_telling, pooled
from cytopipe.results.patients import RULE, Decision, PatientRule

TELLING = 5  # most telling images that are named for a group


@dataclass(frozen=True)
class Evidence:
    """What the images say.

    Attributes:
        scores: N calibrated probabilities of abnormal images.
        attention: N x 2 energies and values, for a rule of attention pooling; otherwise None.
    """

    scores: np.ndarray
    attention: np.ndarray | None = None

    def of(self, images: np.ndarray) -> Evidence:
        """The evidence of some images, given as indices or booleans."""
        return Evidence(self.scores[images], None if self.attention is None else self.attention[images])


@dataclass(frozen=True)
class Answers:
    """Calibrated log odds of G groups, their decisions (empty where withheld), and their most telling images."""

    odds: np.ndarray
    decisions: tuple[Decision, ...]
    telling: list[list[int]]

    @property
    def scores(self) -> np.ndarray:
        """Probabilities of abnormal groups, G."""
        return expit(self.odds)


def read_rule(folder: Path) -> PatientRule | None:
    """The rule of a model folder; None if its classifier was trained without one.

    Raises:
        CytopipeError: the file is damaged.
    """
    file = folder / RULE
    return PatientRule.read(file) if file.is_file() else None


def needed_rule(rule: PatientRule | None, folder: Path) -> PatientRule:
    """The rule, where one is needed.

    Raises:
        CytopipeError: the classifier has none.
    """
    if rule is None:
        raise CytopipeError(
            "the classifier has no rule for groups of images",
            where=folder,
            hint="give it `patients: {rule: auto}` in params.yaml and train it again",
        )
    if rule.rule is None:
        raise CytopipeError(f"the classifier has no rule for groups of images: {rule.why}", where=folder)
    return rule


def raw_odds(rule: PatientRule, groups: Groups, evidence: Evidence) -> np.ndarray:
    """Log odds of G groups before calibration; the rule is not None."""
    if rule.rule == "abmil":
        assert evidence.attention is not None, "attention pooling needs energies and values"
        return attended(evidence.attention[:, 0], evidence.attention[:, 1], groups)[0]
    assert rule.rule is not None, "there is no rule"
    return pooled(rule.rule, evidence.scores, groups, rule.quantile or 0.0, rule.count or 1, rule.shift or 0.0)


def answer(rule: PatientRule, groups: Groups, evidence: Evidence, most: int = TELLING) -> Answers:
    """Answer for each group: its calibrated log odds, the decision, and the images that speak most for abnormal.

    Args:
        rule: a rule that is not None.
        groups: groups of the N images.
        evidence: what the images say.
        most: number of telling images.
    """
    odds = raw_odds(rule, groups, evidence)
    if rule.slope is not None and rule.intercept is not None:
        odds = rule.slope * odds + rule.intercept
    return Answers(odds, decide(rule, odds), most_telling(_weight(evidence, groups), groups, most))


def decide(rule: PatientRule, odds: np.ndarray) -> tuple[Decision, ...]:
    """The decisions for calibrated log odds; empty if the threshold is withheld."""
    least = rule.threshold
    decisions: list[Decision] = ["" if least is None else "abnormal" if one >= least else "normal" for one in odds]
    return tuple(decisions)


def _weight(evidence: Evidence, groups: Groups) -> np.ndarray:
    """How much each image speaks for abnormal; under attention, its weight times its value."""
    if evidence.attention is None:
        return log_odds(np.clip(evidence.scores, 1e-12, 1 - 1e-12))
    energies, values = evidence.attention.T
    weighted: np.ndarray = attended(energies, values, groups)[1] * values
    return weighted
