"""The regression gate: are the metrics of a finished run worse than they were?

A run is compared with a baseline file (`baseline`) or with the results of a git revision (`revision`).

The rule. The pipeline is deterministic: where nothing changed, metrics are equal to the last digit, so any drop is a
real change of the model on these test images. It need not be a worse model: test images are a sample, and on another
sample the order may be the other way round. A metric is therefore `worse` only where both hold:

- it dropped by more than its tolerance: the loss that its owner still accepts;
- the drop lies outside the 95 % interval:

  - against a revision, both runs predicted the same images. The images are what makes most of a metric's noise,
    and they cancel in the difference. So the difference itself is drawn, by a paired bootstrap over groups
    (Efron & Tibshirani 1993, chapter 16; groups as in every interval here), and its interval must lie below 0;
  - a baseline file holds no predictions. The value must lie below the low end of the baseline's own interval. The
    images do not cancel there: this is the blunter test, which misses more and raises fewer false alarms. So it is also
    where the predictions of a run do not give the metric (then the table shows no interval of the change);
  - without any interval (a single group has none) the tolerance alone decides.

A drop beyond the tolerance that the interval does not confirm is `within noise`: it passes, and the table says so. Many
such steps in a row do not hide from a baseline file, which only `cytopipe gate --update` moves. `better` is the same
rule upwards. The intervals are of one metric each: among 40 metrics of changed models that are not worse, one false
alarm is to be expected at a tolerance of 0 (one side of 95 %); the tolerance makes that rarer. Values at the edge of
a tolerance or an interval pass.

It also fails where a comparison cannot be made: no file, a broken one, no such metric, NaN, and other test images
(`identity`).
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
