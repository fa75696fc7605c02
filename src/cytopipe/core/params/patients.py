"""Parameters of the answer for a whole group of images: a patient, slide or specimen."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cytopipe.core.params.section import Section

SimpleRule = Literal["mean", "max", "quantile", "noisy_or", "count"]
PoolingRule = Literal["mean", "max", "quantile", "noisy_or", "count", "abmil"]
GroupLabel = Literal["worst", "majority", "none"]


class AttentionPooling(Section):
    """Training of `rule: abmil`, gated attention over the images of a group."""

    hidden: int = Field(64, ge=2, le=2048, description="units of the projection of the features")
    epochs: int = Field(200, ge=1, le=10_000)
    patience: int = Field(30, ge=1, description="epochs without a lower validation loss before stopping")
    batch_groups: int = Field(16, ge=1, description="groups of a training step")
    learning_rate: float = Field(2e-3, gt=0, le=1)
    weight_decay: float = Field(1e-2, ge=0, le=1)
    dropout: float = Field(0.1, ge=0, lt=1)
    restarts: int = Field(3, ge=1, le=20, description="trainings from different first weights; validation keeps one")
    seed: int = Field(0, ge=0)


class Patients(Section):
    """How the images of a group become one answer, abnormal or normal; fitted on validation groups only."""

    rule: Literal["auto", "mean", "max", "quantile", "noisy_or", "count", "abmil"] = Field(
        "auto",
        description="count: at least k of the images are abnormal (Poisson binomial); abmil: gated attention pooling "
        "of frozen features; auto: of the others, the one that the validation groups prefer",
    )
    label: GroupLabel = Field(
        "worst",
        description="label of a group with normal and abnormal images; worst: abnormal if one image is; majority: if "
        "half of them are; none: it has no label and is left out",
    )
    specificity: float = Field(
        0.9, gt=0, lt=1, description="share of normal validation groups that the threshold calls normal"
    )
    attention: AttentionPooling = AttentionPooling()
