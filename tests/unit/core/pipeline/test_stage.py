from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from cytopipe.core.io.hashing import sha256_file
from cytopipe.core.io.locks import StageLock
from cytopipe.core.params import load_params
from cytopipe.core.pipeline import stage as module
from cytopipe.core.pipeline.machine import Machine
from cytopipe.core.pipeline.stage import Stage, main
from cytopipe.errors import CytopipeError

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "OMP_WAIT_POLICY")
OLD = {"data/old.txt": "old", "data/folder/old.txt": "old"}


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restore what a stage changes in its process: environment, handler of SIGTERM and level of its logger."""
    for name in THREADS:
        monkeypatch.setenv(name, "7")
    handler, level = signal.getsignal(signal.SIGTERM), logging.getLogger("cytopipe").level
    yield
    signal.signal(signal.SIGTERM, handler)
    logging.getLogger("cytopipe").setLevel(level)


@pytest.fixture
def values(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((root / "workflow/presets/tiny.yaml").read_text())
    return {
        **found,
        "tracking": {"enabled": False},
        "runtime": {"device": "cpu", "cpu": "native", "num_threads": 3, "num_workers": 0},
    }


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any]) -> Path:
    """The working folder: parameters, an input, and outputs of an earlier run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    (tmp_path / "in.txt").write_text("input")
    describe(tmp_path)
    for name, text in OLD.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def describe(project: Path, inputs: Iterable[str] = ("in.txt",)) -> None:
    """The stages of these tests: their scripts, and the dvc.yaml that describes them."""
    stages = {
        name: {"foreach": f"${{{section}}}", "do": {"deps": [*inputs, f"stages/{name}.py"], "outs": [*outs]}}
        for name, section, outs in (
            ("organize", "datasets", ("data/folder", "data/old.txt")),
            ("train_classifier", "classifiers", ("models/${key}",)),
        )
    }
    (project / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    for name in stages:
        script = project / f"stages/{name}.py"
        script.parent.mkdir(exist_ok=True)
        script.touch()


def outputs(project: Path) -> dict[str, str]:
    """Every file in data/, including hidden ones."""
    return {p.relative_to(project).as_posix(): p.read_text() for p in (project / "data").rglob("*") if p.is_file()}


Call = Callable[..., int]


@pytest.fixture
def call(project: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run a stage as its script does and return the exit status."""

    def run_main(run: Callable[[Stage], None], *arguments: str, inputs: Iterable[str] = ("in.txt",)) -> int:
        describe(project, inputs)
        arguments = arguments or ("tiny",)
        name = "train_classifier" if arguments[0] == "masks" else "organize"
        monkeypatch.setattr(sys, "argv", [f"stages/{name}.py", *arguments])
        with pytest.raises(SystemExit) as end:
            main(run, "Its help.")
        return int(end.value.code or 0)

    return run_main


def write(stage: Stage, *, fail: BaseException | None = None) -> None:
    """Write both outputs; fail between them."""
    (stage.folder(Path("data/folder")) / "new.txt").write_text("new")
    if fail:
        raise fail
    stage.output(Path("data/old.txt")).write_text("new")


def test_outputs_appear_together_when_the_stage_succeeds(
    call: Call, project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def run(stage: Stage) -> None:
        assert stage.inputs == {"in.txt": sha256_file(Path("in.txt"))}
        write(stage)
        assert {path: text for path, text in outputs(project).items() if "/." not in path} == OLD

    assert call(run) == 0
    assert outputs(project) == {"data/old.txt": "new", "data/folder/new.txt": "new"}
    assert "organize@tiny: done in" in caplog.text


def test_a_stage_leaves_the_facts_of_its_machine_when_it_succeeds(call: Call) -> None:
    assert call(partial(write, fail=FAULTY)) == 1
    assert Machine.of_stage("organize@tiny") is None
    assert call(write) == 0
    assert Machine.of_stage("organize@tiny") == Machine.here(load_params(Path("params.yaml")))


FULL = OSError(28, "No space left on device", "x.npy")
FAULTY = CytopipeError("a column is missing", where="l.csv:1", hint="add it")


@pytest.mark.parametrize("fault", [FAULTY, FULL])
def test_a_fault_is_one_message_and_leaves_the_old_outputs(
    call: Call, project: Path, capsys: pytest.CaptureFixture[str], fault: Exception
) -> None:
    assert call(lambda stage: write(stage, fail=fault)) == 1
    assert (
        capsys.readouterr().err
        == {
            FAULTY: "error in organize@tiny: l.csv:1: a column is missing\n  -> add it\n",
            FULL: "error in organize@tiny: x.npy: the disk is full\n  -> make room on that disk "
            "(df -h shows how much is left), then run the command again\n",
        }[fault]
    )
    assert outputs(project) == OLD


def test_debug_shows_the_traceback(call: Call, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["stages/organize.py", "tiny", "--debug"])
    with pytest.raises(CytopipeError, match="a column"):
        main(partial(write, fail=FAULTY), "")
    assert outputs(project) == OLD


def test_a_bug_is_a_message_that_names_its_line_and_the_kept_traceback(
    call: Call, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(lambda stage: write(stage, fail=ZeroDivisionError("division by zero"))) == 1
    message, hint = capsys.readouterr().err.splitlines()
    assert re.fullmatch(
        r"error in organize@tiny: core/pipeline/stage.py:\d+: ZeroDivisionError: division by zero", message
    )
    assert ".cytopipe/tracebacks/organize@tiny.txt holds the traceback" in hint
    kept = (project / ".cytopipe/tracebacks/organize@tiny.txt").read_text()
    assert kept.startswith("Traceback") and kept.endswith("ZeroDivisionError: division by zero\n")
    assert outputs(project) == OLD


def test_an_interrupt_ends_with_130_and_leaves_the_old_outputs(
    call: Call, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(lambda stage: write(stage, fail=KeyboardInterrupt())) == 130
    assert capsys.readouterr().err.startswith("organize: interrupted; nothing half-written is left")
    assert outputs(project) == OLD


SLEEPER = """
import sys, time
from pathlib import Path
from cytopipe.core.pipeline.stage import main

def run(stage):
    (stage.folder(Path("data/folder")) / "half.txt").write_text("half")
    print("here", flush=True)
    time.sleep(60)

main(run, "Sleeps.")
"""


def heed_interrupts() -> None:
    """Reset the handler of SIGINT, because background jobs of a shell ignore it, and tests may run in one."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_stage_with_130_and_leaves_the_old_outputs(project: Path, number: signal.Signals) -> None:
    (project / "stages/organize.py").write_text(SLEEPER)
    command = [sys.executable, "stages/organize.py", "tiny"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "here\n"
        assert "data/.folder.partial/half.txt" in outputs(project)
        process.send_signal(number)
        _, error = process.communicate(timeout=500)
    assert process.returncode == 130
    assert error == "organize: interrupted; nothing half-written is left, finished epochs are kept\n"
    assert outputs(project) == OLD


def test_a_missing_input_names_the_command_that_makes_it(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(write, inputs=["in.txt", "data/raw/tiny/manifest.csv"]) == 1
    assert capsys.readouterr().err == (
        "error in organize@tiny: data/raw/tiny/manifest.csv: this input is missing\n"
        "  -> run the stages before it: dvc repro organize@tiny\n"
    )


def test_an_unknown_item_lists_the_known_ones(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(write, "tinny") == 1
    assert capsys.readouterr().err == (
        "error in organize@tinny: params.yaml: there is no 'tinny' in datasets\n  -> known: tiny\n"
    )


def test_missing_and_faulty_parameters_are_one_message(
    call: Call, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(write, "tiny", "--params", "none.yaml") == 1
    assert "none.yaml: no parameters here" in capsys.readouterr().err
    (project / "odd.yaml").write_text((project / "params.yaml").read_text().replace("num_threads", "num_treads"))
    assert call(write, "tiny", "--params", "odd.yaml") == 1
    assert "unknown key 'num_treads'; did you mean: num_threads" in capsys.readouterr().err


def test_a_second_run_names_the_first(
    call: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], project: Path
) -> None:
    monkeypatch.setattr(module, "StageLock", partial(StageLock, wait=0.2))
    with StageLock(Path(".cytopipe/locks/organize@tiny.lock")):
        assert call(write) == 1
    message = capsys.readouterr().err
    assert f"organize@tiny.lock: in use by process {os.getpid()} (" in message and "wait until it ends" in message
    assert outputs(project) == OLD
    assert call(write) == 0


def test_the_parameters_threads_win_over_inherited_ones(call: Call) -> None:
    seen: dict[str, str] = {}
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert call(lambda stage: seen.update(os.environ)) == 0
    assert {name: seen[name] for name in THREADS[:4]} == dict.fromkeys(THREADS[:4], "3")
    assert seen["OMP_WAIT_POLICY"] == "7"  # what a user set stays


Key = Callable[..., Path]


@pytest.fixture
def key(call: Call, project: Path, values: dict[str, Any]) -> Key:
    """Folder of the checkpoints of the classifier `masks`; sections of the parameters can be changed."""

    def find(**changes: dict[str, Any]) -> Path:
        (project / "params.yaml").write_text(yaml.safe_dump({**values, **changes}, sort_keys=False))
        found: list[Path] = []
        assert call(lambda stage: found.append(stage.checkpoints), "masks") == 0
        return found[0]

    return find


def test_checkpoints_are_keyed_by_all_that_determines_the_result(
    key: Key, values: dict[str, Any], project: Path
) -> None:
    first = key()
    assert first.parent == Path(".cytopipe/checkpoints/train_classifier@masks")
    recipe = values["classifiers"]["masks"]
    reseeded = {**recipe, "training": {**recipe["training"], "seed": 5}}
    changed = [
        key(runtime={**values["runtime"], "num_threads": 2}),
        key(runtime={**values["runtime"], "device": "auto"}),
        key(classifiers={**values["classifiers"], "masks": reseeded}),
    ]
    (project / "in.txt").write_text("changed")
    changed.append(key())
    (project / "stages/train_classifier.py").write_text("pass  # changed")
    changed.append(key())
    assert len({first, *changed}) == 6


def test_checkpoints_are_kept_by_what_changes_nothing(key: Key, values: dict[str, Any]) -> None:
    first = key()
    assert key() == first
    assert key(classifiers={**values["classifiers"], "resnet-rgb": values["classifiers"]["resnet-masked"]}) == first
    assert key(runtime={**values["runtime"], "num_workers": 2}) == first


def test_checkpoints_outlive_a_fault_and_go_with_the_success(call: Call, project: Path) -> None:
    def run(stage: Stage) -> None:
        stage.checkpoints.mkdir(parents=True, exist_ok=True)
        (stage.checkpoints / "last.pt").write_text("state")

    def fail(stage: Stage) -> None:
        run(stage)
        raise CytopipeError("broken")

    folder = project / ".cytopipe/checkpoints"
    assert call(fail) == 1
    assert len(list(folder.rglob("last.pt"))) == 1
    assert call(run) == 0
    assert list(folder.iterdir()) == []


def test_scratch_is_empty_at_first_and_gone_at_the_end(call: Call, project: Path) -> None:
    left = project / ".cytopipe/scratch/organize@tiny/left"
    left.parent.mkdir(parents=True)
    left.touch()

    def run(stage: Stage) -> None:
        with stage.scratch() as folder:
            assert folder == left.parent.relative_to(project) and list(folder.iterdir()) == []
            (folder / "windows.npy").touch()
            raise CytopipeError("broken")

    assert call(run) == 1
    assert not left.parent.exists()


def test_an_epoch_is_shown_and_tracked_with_its_fold(
    call: Call, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tracked: list[tuple[dict[str, float], int]] = []

    def run(stage: Stage) -> None:
        monkeypatch.setattr(stage.tracker, "log_metrics", lambda metrics, step: tracked.append((metrics, step)))
        for part in ("", "folds/0"):
            stage.on_epoch(part, {"epoch": 3, "learning_rate": 0.1, "val_loss": 0.5})

    assert call(run) == 0
    assert tracked == [
        ({"learning_rate": 0.1, "val_loss": 0.5}, 3),
        ({"folds/0/learning_rate": 0.1, "folds/0/val_loss": 0.5}, 3),
    ]
    assert caplog.messages[:2] == [
        "organize@tiny epoch 3: val_loss 0.5000",
        "organize@tiny folds/0 epoch 3: val_loss 0.5000",
    ]


def test_progress_gives_every_item_and_is_shown(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    def run(stage: Stage) -> None:
        assert list(stage.progress(iter([3, 1, 2]), 3)) == [3, 1, 2]
        tell = stage.counter()
        for done in (1, 5):
            tell(done, 5)

    assert call(run) == 0
    shown = capsys.readouterr().err
    assert shown.count("organize@tiny") >= 2 and "3/3" in shown and shown.count("100%") == 2
