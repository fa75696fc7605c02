"""Idle threads sleep: the settings reach the library that computes, and those of a user win."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cytopipe.core.pipeline.waiting import WAITING, wait_asleep


def test_settings_of_the_environment_win(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in WAITING:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    wait_asleep()
    assert {variable: os.environ[variable] for variable in WAITING} == {**WAITING, "OMP_WAIT_POLICY": "active"}


def test_the_threads_of_torch_do_not_spin() -> None:
    script = "from cytopipe.core.pipeline.processor import fix; fix(2, 'native'); import torch"
    environment = {name: value for name, value in os.environ.items() if name not in WAITING}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**environment, "OMP_DISPLAY_ENV": "verbose"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr and "GOMP_SPINCOUNT = '0'" in done.stderr
