"""Shortcuts: can a classifier tell the classes apart without seeing the cells?

Each probe sees a part of the images that should say little about the class. Its verdict depends on the lower limit of
its confidence interval, compared with chance and with a probe of the same kind that sees whole images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.kernel_approximation import Nystroem
from sklearn.preprocessing import StandardScaler

from cytopipe.audit.findings import conclude
from cytopipe.audit.linear_probe import ProbeResult, linear_probe, probed_classes
from cytopipe.audit.statistics import FAMILIES
from cytopipe.results.audit import Finding, Verdict

ALPHA = 0.01  # level of the permutation test; about ten probes per dataset give one false warning in ten datasets
NOTICEABLE = 0.1  # skill below which a shortcut does not help a classifier noticeably
HALF = 0.5  # share of the skill of a probe on whole images from which a shortcut explains most of a result
COLOUR_PX = 2  # side of the image of mean colours, too coarse for the shape of a cell
LEAST_SHOWN = 0.05  # minimum share of background patches in an image; less is only a corner
LEAST_IMAGES = 60  # with fewer images, confidence intervals are as wide as the scale
_LANDMARKS = 100  # of the Nystroem approximation


@dataclass(frozen=True)
class Conditions:
    """The common inputs of all probes of a dataset.

    Attributes:
        labels: N class indices.
        units: N units, which cross-validation must not split.
        permutations, repeats: see `linear_probe`.
    """

    labels: np.ndarray
    units: np.ndarray
    permutations: int
    repeats: int

    def probe(
        self, features: np.ndarray, chosen: np.ndarray | None = None, strongest: int | None = None
    ) -> ProbeResult | None:
        """Run a probe.

        Args:
            features: N x D float.
            chosen: N bool, the images to use; by default all.
            strongest: see `linear_probe`.

        Returns:
            The result; None if too few images, units or classes are left.
        """
        chosen = np.ones(len(self.labels), bool) if chosen is None else chosen.copy()
        known = probed_classes(self.labels[chosen], self.units[chosen])
        chosen &= np.isin(self.labels, known)
        if len(known) < 2 or chosen.sum() < LEAST_IMAGES:
            return None
        units = self.units[chosen].tolist()
        return linear_probe(features[chosen], self.labels[chosen], units, self.permutations, self.repeats, strongest)


def judge(result: ProbeResult, enough: float) -> Verdict:
    """The verdict on a probe that should be at chance.

    Args:
        result: result of the probe.
        enough: skill from which the verdict is fail.
    """
    low = result.skill_of(result.low)
    if result.p > ALPHA or low < NOTICEABLE:
        return "ok"
    return "fail" if low >= enough else "warning"


Bars = dict[str, tuple[ProbeResult, str]]  # bars of a figure: result of a probe, and its verdict or "reference"


def numbers_of(name: str, result: ProbeResult | None) -> dict[str, float | int | None]:
    """The numbers of a probe, with its name as prefix."""
    keys = ("accuracy", "low", "high", "chance", "p", "images", "units")
    return {f"{name}_{key}": None if result is None else getattr(result, key) for key in keys}


def background_only(
    conditions: Conditions, background: np.ndarray, whole: np.ndarray, shown: np.ndarray
) -> tuple[Finding, Bars]:
    """Probe the background of the images.

    Args:
        conditions: common inputs of the probes.
        background: N x D features of patches outside the covered cell.
        whole: N x D features of the whole images, for comparison on the same images.
        shown: N shares of background patches; images with less than LEAST_SHOWN are left out.
    """
    check, chosen = "background_only", shown >= LEAST_SHOWN
    result, everything = conditions.probe(background, chosen), conditions.probe(whole, chosen)
    left_out = len(shown) - (0 if result is None else result.images)
    numbers = numbers_of("background", result) | numbers_of("everything", everything) | {"left_out": left_out}
    how = (
        "The predicted mask of each cell was widened and its holes filled; a small classifier saw the average look of "
        "patches outside it, so that it saw no outline. "
    )
    if result is None or everything is None:
        text = f"{how}Too few images ({int(chosen.sum())} of {len(shown)}), groups or classes show enough background."
        return conclude(check, "skipped", "too little background to judge", text, numbers), {}
    verdict = judge(result, HALF * everything.skill)
    text = how + compared(result, everything)
    if verdict != "ok":
        text += (
            " The background differs between classes (slides, stain, neighbouring cells), or the masks miss parts of "
            "cells, or the light around a cell tells its size: look at the figure. A classifier can use all of it; "
            "train one on channels: masked and compare."
        )
    title = {
        "fail": "the background alone gives the class away",
        "warning": "the background says something about the class",
    }.get(verdict, "the background says little about the class")
    return conclude(check, verdict, title, text, numbers), reference_bars(everything, {"background": (result, verdict)})


def low_frequency_colour(conditions: Conditions, colours: np.ndarray, everything: ProbeResult) -> tuple[Finding, Bars]:
    """Probe the mean colours of the quadrants of the images, N x 12, and compare with a probe of the whole images."""
    check, result = "low_frequency_colour", conditions.probe(kernel(colours))
    numbers = numbers_of("colour", result) | numbers_of("everything", everything)
    how = f"A small classifier saw {COLOUR_PX} x {COLOUR_PX} pixels of each image, the mean colours of its quarters. "
    if result is None:
        return conclude(check, "skipped", "too few images to judge", how + "There are too few.", numbers), {}
    verdict = judge(result, HALF * everything.skill)
    text = how + compared(result, everything)
    if verdict != "ok":
        text += (
            " That is stain, light, or how much of the image is cell: biology where one protocol made all images, a "
            "shortcut where classes were stained or photographed apart. Augment colour, or normalise the stain."
        )
    title = {
        "fail": "mean colours alone give the class away",
        "warning": "mean colours say something about the class",
    }.get(verdict, "mean colours say little about the class")
    return conclude(check, verdict, title, text, numbers), reference_bars(everything, {"colour": (result, verdict)})


def reference_bars(everything: ProbeResult, results: Bars) -> Bars:
    """Bars of a figure, the probe of whole images first."""
    return {"everything": (everything, "reference"), **results}


def compared(result: ProbeResult, everything: ProbeResult) -> str:
    """A sentence on the result of a probe and of that of whole images."""
    return (
        f"On groups that it had not seen it reached {result.accuracy:.1%} balanced accuracy ({result.low:.1%} to "
        f"{result.high:.1%}, {result.images} images); chance is {result.chance:.1%}, and with everything shown it is "
        f"{everything.accuracy:.1%}."
    )


def probe_families(conditions: Conditions, statistics: Mapping[str, np.ndarray]) -> dict[str, ProbeResult | None]:
    """Probe each family of image statistics; None for a family that does not vary between images.

    Args:
        conditions: common inputs of the probes.
        statistics: N values for each name in `statistics.NAMES`.
    """
    results: dict[str, ProbeResult | None] = {}
    for family, names in FAMILIES.items():
        columns = np.stack([statistics[name] for name in names], axis=1)
        varied = columns[:, columns.std(axis=0) > 1e-9]
        results[family] = conditions.probe(kernel(varied)) if varied.shape[1] else None
    return results


def judge_family(family: str, result: ProbeResult) -> Verdict:
    """The verdict on a family; file formats are never biology, but size, light, contrast and sharpness can be."""
    return judge(result, NOTICEABLE if family == "file" else HALF)


def image_statistics(results: Mapping[str, ProbeResult | None], everything: ProbeResult) -> tuple[Finding, Bars]:
    """Summarise the probes of all families, see `probe_families`."""
    check = "image_statistics"
    known = {family: result for family, result in results.items() if result is not None}
    numbers: dict[str, float | int | None] = {}
    for family, result in results.items():
        numbers |= {
            f"{family}_{key}": None if result is None else getattr(result, key)
            for key in ("accuracy", "low", "high", "p")
        }
    numbers["chance"] = next((result.chance for result in known.values()), None)
    how = (
        "A small classifier saw only numbers of one family: size, file format and JPEG quality, blocks of a JPEG, "
        "border, brightness, contrast, sharpness. "
    )
    if not known:
        text = f"{how}They are the same in all images, or there are too few images."
        return conclude(check, "skipped", "no image statistic varies", text, numbers), {}
    verdicts = {family: judge_family(family, result) for family, result in known.items()}
    bars = reference_bars(everything, {family: (result, verdicts[family]) for family, result in known.items()})
    told = sorted((f for f in known if verdicts[f] != "ok"), key=lambda f: (verdicts[f], -known[f].accuracy, f))
    chance = f"chance is {numbers['chance']:.1%}"
    if not told:
        best = max(result.accuracy for result in known.values())
        text = f"{how}None told the class (at best {best:.1%} balanced accuracy; {chance})."
        return conclude(check, "ok", "image statistics say little about the class", text, numbers), bars
    verdict: Verdict = "fail" if "fail" in verdicts.values() else "warning"
    listed = ", ".join(f"{family} {known[family].accuracy:.1%}" for family in told)
    text = (
        f"{how}Balanced accuracy on groups that it had not seen: {listed}; {chance}. File and border come from how "
        "images were made; size, light and sharpness may be the cells' own, or the microscope's. Make images of all "
        "classes in one way (one format, one window, one scale), or show that the difference is biology."
    )
    what = "give the class away" if verdict == "fail" else "say something about the class"
    return conclude(check, verdict, f"image statistics {what}: {', '.join(told)}", text, numbers), bars


def kernel(values: np.ndarray) -> np.ndarray:
    """Add radial basis functions to N x D numbers, so that a linear classifier can also separate by ranges of values.

    Returns:
        N x (D + landmarks) float64.
    """
    standard = StandardScaler().fit_transform(values.astype(np.float64)).clip(-5, 5)
    landmarks = min(_LANDMARKS, len(standard))
    approximation = Nystroem(gamma=0.5 / standard.shape[1], n_components=landmarks, random_state=0)
    result: np.ndarray = np.concatenate([standard, approximation.fit_transform(standard)], axis=1)
    return result


def mean_colours(images: Sequence[np.ndarray]) -> np.ndarray:
    """Images of COLOUR_PX x COLOUR_PX x 3 -> N x 12."""
    return np.stack([image[..., :3].ravel() for image in images])
