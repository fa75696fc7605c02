"""Parameters of what a classifier guarantees."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cytopipe.core.params.section import Section


class Guarantees(Section):
    """What a classifier guarantees for new groups, where it has enough groups to calibrate with."""

    coverage: float = Field(
        0.9, ge=0.5, lt=1, description="sets of classes: share of sets that contain the true class, in new groups"
    )
    sensitivity: float = Field(
        0.95, ge=0.5, lt=1, description="share of the abnormal groups (patients, slides) that a threshold finds"
    )
    confidence: float = Field(
        0.95, ge=0.5, lt=1, description="share of calibration cohorts in which this sensitivity is reached"
    )
    group_score: Literal["max", "mean"] = Field(
        "max", description="score of a group: the largest or the mean abnormality of its images"
    )
