"""Searches on pure noise: the same trials again, after a kill, and by two processes; nested estimates hold chance."""

from __future__ import annotations

import filecmp
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from optuna.trial import TrialState

from cytopipe.search.outputs import trial_rows, write_search
from cytopipe.search.run import search, work
from made_search import Noise, make_job

CHANCE = 0.5
FOLDER = Path(__file__).parents[2]
# A process that runs the same search as the tests, slowly enough to be killed or joined.
PROGRAM = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from made_search import Noise, make_job
from cytopipe.search.run import work

class Slow(Noise):
    def advance(self, *args, **kwargs):
        time.sleep(0.05)
        return super().advance(*args, **kwargs)

work(make_job(Path(sys.argv[2]), Slow(), trials=int(sys.argv[3])))
"""


def written(folder: Path, work_folder: Path, learner: Noise, **changes: object) -> Path:
    job = make_job(work_folder, learner, **changes)
    found = search(job)
    folder.mkdir(parents=True)
    write_search(folder, job, found, "0" * 64)
    return folder


def same(one: Path, other: Path) -> bool:
    names = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    _, different, missing = filecmp.cmpfiles(one, other, [str(name) for name in names], shallow=False)
    return bool(names) and not different and not missing


def start(work_folder: Path, trials: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(FOLDER), str(work_folder), str(trials)])


def test_the_same_search_writes_the_same_bytes_also_after_a_stop(tmp_path: Path) -> None:
    undisturbed = written(tmp_path / "one", tmp_path / "work 1", Noise())
    learner = Noise(dies_after=5)  # in the middle of a trial
    with pytest.raises(KeyboardInterrupt):
        search(make_job(tmp_path / "work 2", learner))
    learner.dies_after, before = None, list(learner.calls)
    assert same(undisturbed, written(tmp_path / "two", tmp_path / "work 2", learner))
    # The call that ended it is made again; no finished rung is.
    assert not set(before) & set(learner.calls[len(before) :]) or learner.calls.count(before[-1]) <= 2


def test_a_search_that_is_given_more_trials_goes_on(tmp_path: Path) -> None:
    whole = written(tmp_path / "one", tmp_path / "work 1", Noise(), trials=6)
    search(make_job(tmp_path / "work 2", Noise(), trials=4))
    learner = Noise()
    assert same(whole, written(tmp_path / "two", tmp_path / "work 2", learner, trials=6))
    assert {slot for slot, _, _ in learner.calls} == {"4", "5"}


def test_a_killed_process_loses_no_trial(tmp_path: Path) -> None:
    undisturbed = written(tmp_path / "one", tmp_path / "work 1", Noise())
    folder = tmp_path / "work 2"
    process = start(folder, 6)
    answers = folder / "0" / "answers"
    while process.poll() is None and not (answers.is_dir() and any(answers.iterdir())):
        time.sleep(0.02)
    assert process.poll() is None, "it ended before it could be killed"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    finished = {file.stem for file in answers.iterdir()}
    learner = Noise()
    assert same(undisturbed, written(tmp_path / "two", folder, learner))
    assert not finished & {slot for slot, _, until in learner.calls if until < 9}


def test_two_processes_share_the_trials(tmp_path: Path) -> None:
    process = start(tmp_path, 6)
    work(make_job(tmp_path, Noise()))
    assert process.wait() == 0
    rows = trial_rows(search(make_job(tmp_path, Noise())).trials)
    assert [row["trial"] for row in rows] == list(range(6))
    assert {row["state"] for row in rows} <= {"completed", "stopped"}


def test_random_trials_without_halving_do_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    fixed = {"sampler": "random", "halving": None, "trials": 4}
    alone = search(make_job(tmp_path / "1", Noise(), **fixed)).trials
    shared = make_job(tmp_path / "2", Noise(), **fixed)
    search(make_job(tmp_path / "2", Noise(), **(fixed | {"trials": 2})))
    assert trial_rows(alone) == trial_rows(search(shared).trials)


def test_on_noise_the_nested_interval_holds_chance_and_the_flat_one_does_not(tmp_path: Path) -> None:
    found = search(make_job(tmp_path, Noise(), trials=40, folds={"inner": 3, "outer": 3}))
    assert found.nested is not None and found.nested.low is not None and found.nested.high is not None
    assert found.nested.low <= CHANCE <= found.nested.high
    assert found.flat.low is not None and found.flat.low > CHANCE
    assert len(found.folds) == 3 and sum(fold.images for fold in found.folds) == 80


def test_no_image_of_an_outer_fold_takes_part_in_its_search() -> None:
    from cytopipe.search.folds import inner_parts, outer_folds

    learner = Noise()
    for fold in outer_folds(learner, 4, 0, "here"):
        inside = sorted([*fold.train, *fold.validation])
        assert not set(inside) & set(fold.test)
        for part in inner_parts(learner, fold.train, 3, 0, "here"):
            assert set(part.train) | set(part.held) == set(fold.train)
            assert not {learner.groups[one] for one in part.train} & {learner.groups[one] for one in part.held}


def test_a_budget_ends_a_search_after_a_trial(tmp_path: Path) -> None:
    trials = search(make_job(tmp_path, Noise(), trials=50, minutes=1e-9)).trials
    assert [trial.state for trial in trials.finished] == [TrialState.COMPLETE]


def test_a_database_holds_trials_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed = written(tmp_path / "one", tmp_path / "work 1", Noise(), trials=4)
    monkeypatch.setenv("CYTOPIPE_SEARCH_STORAGE", f"sqlite:///{tmp_path / 'trials.db'}")
    assert same(undisturbed, written(tmp_path / "two", tmp_path / "work 2", Noise(), trials=4))
    assert not (tmp_path / "work 2" / "journal.log").exists()
