"""Marks in a fixed place: a serial number in a corner, a scale bar, a hot pixel that tells the class.

Cells lie anywhere, so that at one pixel, what is finer than its surroundings is as often brighter as darker: a linear
classifier of it is at chance, whatever the texture of the classes. A mark has the same sign in every image of a class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cytopipe.audit.findings import conclude
from cytopipe.audit.linear_probe import ProbeResult
from cytopipe.audit.shortcuts import ALPHA, HALF, Bars, Conditions, compared, numbers_of, reference_bars
from cytopipe.results.audit import Finding, Verdict

CHECK = "fixed_marks"
PIXELS = 24  # that a classifier may use, chosen in its training images
_PERMUTATIONS = 100  # the fewest that can reach ALPHA, as each chooses its own pixels
_SUSPECT = 0.3  # skill below which it may be the outlines of cells, which lie in similar places in all images


def fixed_marks(
    conditions: Conditions, found: np.ndarray, everything: ProbeResult, classes: Sequence[str]
) -> tuple[Finding, Bars]:
    """Probe the corners of the images for marks.

    How well the class that is told best is told from all others gives the verdict, because a mark of one class of many
    hardly moves their mean. Where that is suspect, a permutation test must confirm it.

    Args:
        conditions: common inputs of the probes.
        found: N x 2S x 2S int8, see `corners.corners`.
        everything: probe of the whole images, for comparison.
        classes: names of the classes by class index.
    """
    flat = found.reshape(len(found), -1)
    varied = flat[:, flat.std(axis=0) > 0].astype(np.float32)
    if varied.size:
        varied -= varied.mean(axis=1, keepdims=True)  # a texture of bright or dark grains stands everywhere
    told = _told(conditions, varied) if varied.size else {}
    best = max(told, key=lambda label: (told[label].low, -label), default=None)
    verdict: Verdict = "ok" if best is None else _judged(told[best])
    tested = result = None
    if best is not None:
        of_best = replace(conditions, labels=(conditions.labels == best).astype(int))
        draws = 0 if verdict == "ok" else _PERMUTATIONS
        tested = replace(of_best, permutations=draws).probe(varied, strongest=PIXELS)
        result = replace(conditions, permutations=0).probe(varied, strongest=PIXELS)
    numbers = numbers_of("marks", result) | numbers_of("told", None if best is None else told[best]) | {"marks_p": None}
    if verdict == "ok":
        numbers["told_p"] = None  # there was nothing to test
    elif tested is not None:
        numbers["told_p"] = tested.p
    side = found.shape[1] // 2
    how = (
        f"A small classifier saw {side} x {side} pixels in each corner of the images, less "
        f"their surroundings, and could use {PIXELS} of them. "
    )
    if result is None:
        text = f"{how}They are the same in all images, or there are too few images."
        return conclude(CHECK, "skipped", "nothing to search for marks", text, numbers), {}
    text = how + compared(result, everything)
    if tested is None or tested.p > ALPHA:
        verdict = "ok"
    if best is not None:
        one = told[best]
        text += f" It told {classes[best]} from the rest with {one.accuracy:.1%} ({one.low:.1%} to {one.high:.1%})."
    if verdict != "ok":
        text += (
            " Single pixels in a fixed place say this only where something stands there in most images of a class: a "
            "number, a scale bar, a hot pixel, the edge of a frame. Cover or crop it in all images."
        )
    title = {
        "fail": "marks in a fixed place give a class away",
        "warning": "pixels in a fixed place say something about a class",
    }.get(verdict, "no mark in a fixed place tells a class")
    return conclude(CHECK, verdict, title, text, numbers), reference_bars(everything, {"marks": (result, verdict)})


def _told(conditions: Conditions, features: np.ndarray) -> dict[int, ProbeResult]:
    """How well each class is told from all others, by class index."""
    found = {}
    for label in np.unique(conditions.labels):
        one = replace(conditions, labels=(conditions.labels == label).astype(int), permutations=0)
        result = one.probe(features, strongest=PIXELS)
        if result is not None:
            found[int(label)] = result
    return found


def _judged(told: ProbeResult) -> Verdict:
    skill = told.skill_of(told.low)
    return "fail" if skill >= HALF else "warning" if skill >= _SUSPECT else "ok"


def overlay(found: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """The mean of the corners by class as 2S x 2S x 3 uint8, grey where nothing stands, stretched to the strongest."""
    means = [found[labels == label].mean(axis=0, dtype=np.float64) for label in np.unique(labels)]
    strongest = max(1.0, *(float(np.abs(mean).max()) for mean in means))
    scaled = [np.round(128 + 127 * mean / strongest).astype(np.uint8) for mean in means]
    return [np.repeat(one[..., None], 3, axis=2) for one in scaled]
