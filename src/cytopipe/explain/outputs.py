"""Outputs of the explanations: explanations.json, panels, tables and figures. Does not import torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cytopipe.core.io.tables import write_table
from cytopipe.core.params import Explain
from cytopipe.data.imaging.masks import resize_mask
from cytopipe.explain import figures
from cytopipe.explain.panels import panel
from cytopipe.explain.regions import areas, palette, shares
from cytopipe.results.explanations import ExplainedImage, ExplanationDetails
from cytopipe.results.predictions import Prediction

Summary = dict[str, dict[str, dict[str, float | None]]]  # class or method -> region -> mean, low, high


@dataclass(frozen=True)
class ShownImage:
    """An image with a panel.

    Attributes:
        prediction: its stored prediction.
        item: its stored item, S x S x 5 uint8.
        maps: H x W attribution map of each method.
    """

    prediction: Prediction
    item: np.ndarray
    maps: Mapping[str, np.ndarray]

    @property
    def mask(self) -> np.ndarray:
        """Palette mask of the item, S x S uint8."""
        return palette(self.item)

    @property
    def file(self) -> str:
        """File name of the panel."""
        return f"{self.prediction.id}.png"

    @property
    def shares(self) -> dict[str, dict[str, float]]:
        """Share of attribution on each region, for each method with any attribution."""
        found = {method: region_shares(values, self.mask) for method, values in self.maps.items()}
        return {method: one for method, one in found.items() if one is not None}

    @property
    def entry(self) -> ExplainedImage:
        """The entry in explanations.json."""
        one = self.prediction
        return ExplainedImage(
            id=one.id,
            label=one.label,
            predicted=one.predicted,
            correct=one.correct,
            probability=one.confidence,
            panel=self.file,
            shares=self.shares or None,
        )

    def write(self, folder: Path) -> None:
        """Write the panel to an existing folder."""
        one = self.prediction
        verdict = f"{one.label}, recognised" if one.correct else f"{one.label}, taken for {one.predicted}"
        drawn = panel(
            self.item[..., :3],
            self.mask,
            self.maps,
            {"pixels": areas(self.mask), **self.shares},
            f"{verdict}  (p = {one.confidence:.2f})",
            one.id,
            one.correct,
        )
        drawn.save(folder / self.file, compress_level=3)  # 6 takes three times as long


def region_shares(values: np.ndarray, mask: np.ndarray) -> dict[str, float] | None:
    """`shares` of an H x W map for a mask of any size: the network's input may be larger than the stored image."""
    return shares(values, mask if mask.shape == values.shape else resize_mask(mask, (values.shape[0], values.shape[1])))


def settings(about: Mapping[str, str], methods: Sequence[str], options: Explain) -> dict[str, Any]:
    """First keys of explanations.json: classifier, dataset, methods and effort."""
    effort = {"steps": options.steps, "baselines": options.baselines}
    return {**about, "methods": list(methods), "target": "predicted class", **effort}


@dataclass(frozen=True)
class Explanations:
    """The explanations of a classifier; with `explain.images: 0` they are empty.

    Attributes:
        about: first keys of explanations.json: classifier, dataset, methods and effort.
        shown: images with panels.
        shares: class -> method -> region -> mean, low, high of the share of attribution; None if nothing was measured.
        area_shares: class -> region -> mean, low, high of the share of pixels; None if nothing was measured.
        areas_below: "deletion", "insertion" -> method -> auc, low, high; None if nothing was measured.
        curves: "deletion", "insertion" -> method -> mean probability at each of `fractions`.
        fractions: shares of deleted or inserted pixels.
        randomisation: method -> correlation, passed; None if nothing was measured.
        completeness: method of integrated gradients -> mean absolute gap; None if nothing was measured.
        skipped: method -> the reason why it does not apply to this network.
        measured: number of images behind the shares, and behind the curves and the randomisation test.
    """

    about: Mapping[str, Any]
    shown: Sequence[ShownImage] = ()
    shares: Mapping[str, Summary] | None = None
    area_shares: Summary | None = None
    areas_below: Mapping[str, Mapping[str, Mapping[str, float | None]]] | None = None
    curves: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    fractions: Sequence[float] = ()
    randomisation: Mapping[str, Any] | None = None
    completeness: Mapping[str, float] | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)
    measured: Mapping[str, int] = field(default_factory=lambda: {"shares": 0, "curves": 0})

    @classmethod
    def nothing(cls, about: Mapping[str, str], options: Explain) -> Explanations:
        """Explanations without any image."""
        return cls(settings(about, [], options))

    @property
    def headline(self) -> dict[str, float]:
        """The measures that are single numbers, to log in MLflow."""
        below = {
            f"{kind}_auc/{method}": value
            for kind, methods in (self.areas_below or {}).items()
            for method, one in methods.items()
            if (value := one["auc"]) is not None
        }
        checked = {
            f"randomisation/{method}": one["correlation"]
            for method, one in (self.randomisation or {}).items()
            if one["correlation"] is not None
        }
        return below | checked

    @property
    def details(self) -> ExplanationDetails:
        """The content of explanations.json."""
        below = {kind: dict(values) for kind, values in (self.areas_below or {}).items()}
        chance = {f"{kind}_auc": values.pop("random")["auc"] for kind, values in below.items()}
        return ExplanationDetails.model_validate(
            {
                **self.about,
                "skipped": dict(self.skipped),
                "images": [one.entry for one in self.shown],
                "measured": dict(self.measured),
                "shares": self.shares,
                "area_shares": self.area_shares,
                "deletion": below.get("deletion"),
                "insertion": below.get("insertion"),
                "random": chance or None,
                "randomisation": self.randomisation,
                "completeness": self.completeness,
            }
        )

    def write_panels(self, folder: Path) -> None:
        """Write the panel `<id>.png` of every shown image to an existing folder."""
        for one in self.shown:
            one.write(folder)

    def write_plots(self, tables: Path, drawn: Path) -> None:
        """Write shares, deletion and insertion as tables (for `dvc plots`) and as figures, into existing folders."""
        write_table(
            tables / "shares.csv",
            figures.share_rows(self.shares or {}, self.area_shares or {}),
            ["class", "method", "region", "share", "low", "high"],
        )
        for kind in ("deletion", "insertion"):
            rows = figures.curve_rows(self.curves.get(kind, {}), self.fractions)
            write_table(tables / f"{kind}.csv", rows, ["method", "fraction", "probability"])
        figures.shares_figure(drawn / "shares.png", self.shares or {}, self.area_shares or {})
        figures.curves_figure(drawn / "perturbation.png", self.curves, self.fractions, self.areas_below or {})
