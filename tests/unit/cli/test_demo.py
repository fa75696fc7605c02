"""Errors of `cytopipe demo` before it serves; tests/browser tests the app itself."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from fixture_types import Cytopipe


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.org"])
def test_no_other_machine_is_served(cytopipe: Cytopipe, host: str) -> None:
    result = cytopipe("demo", "--host", host)
    assert result.exit_code == 1
    assert f"--host: the app serves this machine only, not '{host}'" in result.stderr


def test_without_gradio_it_says_how_to_get_it(cytopipe: Cytopipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    result = cytopipe("demo")
    assert result.exit_code == 1
    assert "the app needs gradio, which is not installed\n  -> pip install 'gradio>=6'" in result.stderr


def test_a_taken_port_is_told(cytopipe: Cytopipe) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        port = one.getsockname()[1]
        result = cytopipe("demo", "--port", port)
    assert result.exit_code == 1
    assert f"--port: port {port} cannot be used (Address already in use)" in result.stderr


def test_without_models_it_names_what_makes_them(
    cytopipe: Cytopipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = cytopipe("demo", "--device", "cpu")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: models/classifiers: no such folder\n"
        "  -> run the demo first: `make repro`; or name a folder: --models DIR\n"
    )
