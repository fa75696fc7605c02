from __future__ import annotations

import time
from pathlib import Path

import pytest

from cytopipe.core.pipeline.tracking.names import flatten, safe_name, shorten
from cytopipe.core.pipeline.tracking.store import bounded, project_folder, tracking_uri, without_credentials


def test_parameters_become_dotted_keys_and_text() -> None:
    params = {"a": {"b": {"c": 1e-05}, "empty": {}}, "list": [1, {"x": None}], "flag": True, "none": None}
    assert flatten({**params, "path": Path("data/raw"), "bad(key)": "x" * 2000}) == {
        "a.b.c": "1e-05",
        "a.empty": "{}",
        "list": '[1, {"x": null}]',
        "flag": "true",
        "none": "null",
        "path": "data/raw",
        "bad_key_": "x" * 248 + "..." + "x" * 249,
    }


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("input.data/raw/a b.csv", "input.data/raw/a b.csv"),
        ("f1@0.5 (macro)", "f1_0.5 _macro_"),
        ("../../x//y/./z", "x/y/z"),
        ("/abs", "abs"),
        ("", "_"),
        ("a" * 300, "a" * 123 + "..." + "a" * 124),
    ],
)
def test_names_are_made_acceptable_to_mlflow(name: str, safe: str) -> None:
    from mlflow.utils.validation import _validate_metric_name

    assert safe_name(name) == safe
    _validate_metric_name(safe)  # type: ignore[no-untyped-call]  # MLflow does not annotate it


def test_shortened_text_keeps_both_ends() -> None:
    assert shorten("0123456789", 10) == "0123456789"
    assert shorten("0123456789a", 10) == "012...789a"


def test_passwords_are_left_out() -> None:
    text = "cannot reach https://me:secret@mlflow.example.org/api of postgresql://u:p@db/x"
    assert without_credentials(text) == "cannot reach https://mlflow.example.org/api of postgresql://db/x"


def test_a_relative_database_belongs_to_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    for given, used in [
        ("sqlite:///runs/all.db", f"sqlite:///{tmp_path}/runs/all.db"),
        ("sqlite:////elsewhere/all.db", "sqlite:////elsewhere/all.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("https://mlflow.example.org", "https://mlflow.example.org"),
    ]:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
        assert tracking_uri(tmp_path) == used


def test_a_question_mark_in_a_path_is_not_taken_for_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    odd = tmp_path / "a?b"
    odd.mkdir()
    monkeypatch.chdir(odd)
    assert tracking_uri(odd) == "sqlite:///mlflow.db"


def test_experiments_in_a_temporary_folder_are_tracked_in_their_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DVC_EXP_BASELINE_REV", raising=False)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "workspace"))
    assert project_folder(tmp_path) == tmp_path
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "abc")
    assert project_folder(tmp_path) == tmp_path / "workspace"


def test_a_locked_database_is_tried_again() -> None:
    calls: list[int] = []

    def write() -> str:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("(sqlite3.OperationalError) database is locked")
        return "written"

    assert bounded(write, 5) == "written"
    assert len(calls) == 2


def test_other_faults_are_not_tried_again() -> None:
    calls: list[int] = []

    def write() -> None:
        calls.append(1)
        raise RuntimeError("no such table")

    with pytest.raises(RuntimeError, match="no such table"):
        bounded(write, 5)
    assert len(calls) == 1


def test_a_call_without_an_end_is_left() -> None:
    start = time.monotonic()
    with pytest.raises(TimeoutError, match=r"no answer within 0\.1 s"):
        bounded(lambda: time.sleep(20), 0.1)
    assert time.monotonic() - start < 5
