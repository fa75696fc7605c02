"""The proof of the rules for patients, small and with a fixed seed; benchmarks/patients.py has the large one."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import patients
from cytopipe.core.params.patients import AttentionPooling

SMALL = 20_000  # patients of the Bayes AUC; its standard error is .003 or less


@pytest.mark.parametrize("case", patients.CASES)
def test_the_count_reaches_the_best_possible_auc(case: patients.Case) -> None:
    rng = np.random.default_rng(3)
    validation, test = patients.draw(case, 150, rng), patients.draw(case, 400, rng)
    found = patients.try_rule("count", validation, test)
    assert found.low <= patients.bayes_auc(case, SMALL) <= found.high


def test_attention_beats_the_mean_where_one_cell_in_fifty_is_abnormal(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    train, validation, test = (patients.draw(patients.CASES[0], count, rng) for count in (150, 80, 300))
    quick = AttentionPooling(epochs=5, restarts=1, hidden=16)
    monkeypatch.setattr(patients, "AttentionPooling", lambda seed: quick.model_copy(update={"seed": seed}))
    attention = patients.try_attention(train, validation, test)
    assert attention.value > patients.try_rule("mean", validation, test).value + 0.03
    assert attention == patients.try_attention(train, validation, test)  # the same bits


def test_the_committed_measurement_says_the_same() -> None:
    found = json.loads(patients.RESULTS.read_text())
    assert [patients.Case(*(one[key] for key in ("prevalence", "cells", "least", "separation"))) for one in found] == [
        replace(case) for case in patients.CASES
    ]
    for one in found:
        assert one["rules"]["count"]["interval_holds_bayes"] >= 0.9
    above, of = found[0]["abmil_above_mean"].split(" of ")
    assert above == of
