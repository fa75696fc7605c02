"""The regression gate: are the metrics of a finished run worse than before?

A run is compared with a baseline file (`baseline`) or with the results of a git revision (`revision`).

The rule. The pipeline is deterministic: without a change, metrics are equal to the last digit, so any drop is a real
change of the model on these test images. The model need not be worse, though: test images are a sample, and on another
sample the order may be reversed. A metric is therefore `worse` only if both conditions hold:

- it dropped by more than its tolerance, the loss that the project accepts;
- the drop is outside the 95 % interval:

  - against a revision, both runs predicted the same images. Most of the noise of a metric comes from the choice of
    images and cancels in the difference. The interval of the difference, by a paired bootstrap over groups (Efron and
    Tibshirani 1993, chapter 16), must be below 0;
  - a baseline file contains no predictions. The value must be below the low end of the baseline's own interval. As the
    noise of the images does not cancel, this test has less power and raises fewer false alarms. It is also used if the
    metric cannot be computed from the predictions of a run; the table then shows no interval of the change;
  - without any interval (a single group has none), the tolerance alone decides.

A drop beyond the tolerance that the interval does not confirm is `within noise`: it passes, and the table says so. Many
such drops in a row still add up against a baseline file, which only `cytopipe gate --update` changes. `better` is the
same rule in the other direction. Each interval is for one metric: among 40 metrics of changed models that are not
worse, one false alarm is expected at a tolerance of 0 (one side of 95 %); the tolerance makes it rarer. Values exactly
at the edge of a tolerance or an interval pass.

The gate also fails if a comparison is not possible: a file or metric is missing or invalid, a value is not a number, or
the test images differ (`identity`).
"""

from __future__ import annotations

from cytopipe.gate.baseline import Baseline, Expectation, Expected, baseline_of, read_baseline, update
from cytopipe.gate.checks import Check, compare
from cytopipe.gate.results import Folder, Results
from cytopipe.gate.revision import Revision, of_revision
from cytopipe.gate.table import to_json, to_markdown

__all__ = [
    "Baseline",
    "Check",
    "Expectation",
    "Expected",
    "Folder",
    "Results",
    "Revision",
    "baseline_of",
    "compare",
    "of_revision",
    "read_baseline",
    "to_json",
    "to_markdown",
    "update",
]
