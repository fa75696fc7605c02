"""The regression gate: are the metrics of a finished run worse than before?

A run is compared with a baseline file (`baseline`) or with the results of a git revision (`revision`).

The rule. The pipeline is deterministic: without a change, metrics are equal to the last digit, so any drop is a real
change of the model on these test images. The model need not be worse, though: test images are a sample, and on another
sample the order may be reversed. A metric is therefore `worse` if one of these holds:

- it dropped by more than its tolerance, the loss that the project accepts, and the drop is outside the 95 % interval:

  - against a revision, both runs predicted the same images. Most of the noise of a metric comes from the choice of
    images and cancels in the difference. The interval of the difference (`metrics.paired`: each group left out in turn,
    Student's t) must be below 0;
  - a baseline file contains no predictions. The value must be below the low end of the baseline's own interval. As the
    noise of the images does not cancel, this test has less power and raises fewer false alarms. It is also used if the
    metric cannot be computed from the predictions of a run; the table then shows no interval of the change;
  - without any interval (under five groups there is none), the tolerance alone decides;

- it dropped by more than its margin, five times the default tolerance: where test images are few, an interval excuses
  any loss, and one this large is for a person to accept;
- a group collapsed (`collapse`): it lost 25 times the default tolerance, half of what a share can lose, in a sign test
  at .01 over all groups. A mean over all groups hides it, and so does the interval, which one bad group widens.

Any other drop beyond the tolerance is `within noise`: it passes, and the table says so. Many such drops in a row still
add up against a baseline file, which only `cytopipe gate --update` changes. `better` needs the tolerance and the
interval. Each interval is for one metric: among 40 metrics of changed models that are not worse, one false alarm is
expected at a tolerance of 0 (one side of 95 %); the tolerance makes it rarer, see docs/evaluation.md. Values exactly at
the edge of a tolerance, margin or interval pass.

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
