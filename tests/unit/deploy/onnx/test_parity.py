from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import pytest

from cytopipe.deploy.onnx.parity import compare
from cytopipe.deploy.onnx.runtime import time_both

TRUE = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
ITEMS = np.arange(3, dtype=np.uint8)[:, None, None, None]


def of(values: np.ndarray) -> Mapping[str, np.ndarray]:
    return {"probabilities": values}


def decide(values: np.ndarray) -> np.ndarray:
    indices: np.ndarray = values.argmax(axis=1)
    return indices


def test_the_largest_difference_of_any_value_counts() -> None:
    said = TRUE.copy()
    said[1, 0] -= 0.25
    found = compare(lambda items: of(said[items.ravel()]), [(ITEMS, dict(of(TRUE)))], decide)
    assert (found.images, found.difference, found.agreement) == (3, 0.25, 1.0)


def test_a_changed_class_lowers_the_agreement() -> None:
    found = compare(lambda items: of(TRUE[items.ravel()][:, ::-1]), [(ITEMS, dict(of(TRUE)))], decide)
    assert found.agreement == 0


def test_batches_of_one_two_and_all_items_are_compared() -> None:
    sizes = []

    def run(items: np.ndarray) -> Mapping[str, np.ndarray]:
        sizes.append(len(items))
        return of(TRUE[items.ravel()] + (0.5 if len(items) == 2 else 0))

    assert compare(run, [(ITEMS, dict(of(TRUE)))], decide).difference == pytest.approx(0.5)
    assert sizes == [1, 1, 1, 2, 1, 3]


def test_nan_is_not_agreement() -> None:
    said = TRUE.copy()
    said[2, 1] = np.nan
    found = compare(lambda items: of(said[items.ravel()]), [(ITEMS, dict(of(TRUE)))] * 2, decide)
    assert np.isnan(found.difference)


def test_calls_alternate_and_the_first_round_is_not_timed() -> None:
    calls = []

    def slow() -> None:
        calls.append("slow")
        time.sleep(0.5 if len(calls) <= 2 else 0.02)

    def fast() -> None:
        calls.append("fast")
        time.sleep(0.005)

    timing = time_both(slow, fast, rounds=6)
    assert calls == ["slow", "fast"] * 7
    assert 20 <= timing.torch_ms < 400
    assert timing.ratio == pytest.approx(timing.torch_ms / timing.onnx_ms)
    assert timing.ratio > 1
