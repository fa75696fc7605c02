"""ordered_map: order, bounded memory, errors, and no process outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
from threadpoolctl import threadpool_info

from cytopipe.core.io import workers
from cytopipe.core.io.workers import AHEAD, ordered_map, worker_count
from cytopipe.errors import CytopipeError


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start processes after the first item."""
    monkeypatch.setattr(workers, "PATIENCE_S", 0)


def square(number: int) -> int:
    return number**2


def scale(factor: int, array: np.ndarray) -> np.ndarray:
    return factor * array


def process_id(_: int) -> int:
    return os.getpid()


def refuse_seven(number: int) -> int:
    if number >= 7:
        raise CytopipeError(f"{number} is too many", where="items.csv:3", hint="take fewer")
    return number


def die_at_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def slow_touch(folder: Path, number: int) -> None:
    time.sleep(0.05)
    (folder / str(number)).touch()


def loaded_and_threads(_: int) -> tuple[bool, set[int], str]:
    return "torch" in sys.modules, {pool["num_threads"] for pool in threadpool_info()}, os.environ["OMP_NUM_THREADS"]


@pytest.mark.parametrize("count", [0, 1, 2, 3])
@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_results_come_in_the_order_of_the_items(count: int, chunk: int) -> None:
    assert list(ordered_map(square, range(25), count, chunk)) == [number**2 for number in range(25)]


def test_nothing_to_do_is_nothing() -> None:
    assert list(ordered_map(square, [], 2)) == []


def test_arrays_and_partials_travel() -> None:
    arrays = [np.full((2, 3), number, np.uint8) for number in range(5)]
    for found, array in zip(ordered_map(partial(scale, 2), arrays, 2), arrays, strict=True):
        assert found.dtype == np.uint8 and np.array_equal(found, 2 * array)


def test_several_processes_work_and_one_works_here() -> None:
    here = os.getpid()
    assert set(ordered_map(process_id, range(10), 1)) == {here}
    first, *others = ordered_map(process_id, range(40), 2)
    assert first == here and here not in others


def test_work_that_is_soon_done_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PATIENCE_S", 3600)
    assert set(ordered_map(process_id, range(10), 2)) == {os.getpid()}


@pytest.mark.parametrize("count", [1, 2])
def test_items_are_taken_as_results_are_consumed(count: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10_000):
            taken.append(number)
            yield number

    chunk = 2
    with closing(ordered_map(square, items(), count, chunk)) as results:
        for done, _ in enumerate(results, start=1):
            assert len(taken) - done <= chunk * (AHEAD * count + 1)
            if done == 100:
                break


@pytest.mark.parametrize("count", [1, 3])
def test_the_error_of_the_first_faulty_item_comes_back_as_it_is(count: int) -> None:
    with pytest.raises(CytopipeError) as caught:
        list(ordered_map(refuse_seven, range(50), count))
    error = caught.value
    assert (error.what, error.where, error.hint) == ("7 is too many", "items.csv:3", "take fewer")
    assert str(error) == "items.csv:3: 7 is too many\n  -> take fewer"


def test_a_killed_process_is_an_error_with_advice() -> None:
    with pytest.raises(CytopipeError, match=r"worker processes was killed.*\n.*num_workers"):
        list(ordered_map(die_at_three, range(50), 2))


def test_without_room_for_processes_one_does_the_work(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(workers, "ProcessPoolExecutor", full)
    assert list(ordered_map(square, range(25), 2, 4)) == [number**2 for number in range(25)]
    assert "/dev/shm cannot be used (No space left on device)" in caplog.text
    assert "runtime.num_workers: 0" in caplog.text


def test_a_long_temporary_folder_is_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    # A function of Python itself: these processes are spawned, and do not know the tests.
    assert list(ordered_map(abs, range(-4, 1), 2)) == [4, 3, 2, 1, 0]


def test_processes_compute_on_one_thread_and_without_torch() -> None:
    for has_torch, threads, variable in list(ordered_map(loaded_and_threads, range(6), 2))[1:]:
        assert not has_torch and threads <= {1} and variable == "1"


def test_closing_ends_all_writing(tmp_path: Path) -> None:
    with closing(ordered_map(partial(slow_touch, tmp_path), range(1000), 2)) as results:
        next(results)
        next(results)
    written = sorted(tmp_path.iterdir())
    time.sleep(0.3)
    assert sorted(tmp_path.iterdir()) == written and len(written) < 100


# A process that was started in the background of a shell ignores Ctrl-C, and so would what it starts.
SCRIPT = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from functools import partial
from cytopipe.core.io import workers

def work(number):
    time.sleep(0.02)
    return number

if __name__ == "__main__":
    workers.PATIENCE_S = 0
    for number in workers.ordered_map(work, range(100_000), 2):
        if number == 9:
            print("working", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_outlives_its_parent(tmp_path: Path, number: int) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    parent = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert parent.stdout is not None and parent.stdout.readline() == "working\n"
    family = psutil.Process(parent.pid).children(recursive=True)
    assert len(family) >= 3  # the fork server and two workers
    if number == signal.SIGINT:  # Ctrl-C reaches all processes of the terminal
        os.killpg(parent.pid, number)
    else:
        parent.send_signal(number)
    _, complaint = parent.communicate(timeout=500)
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not alive
    assert complaint.count("Traceback") == (number == signal.SIGINT)  # of the parent alone


class TestCount:
    @pytest.fixture(autouse=True)
    def free(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)

    def test_a_number_is_taken_as_it_is(self) -> None:
        assert [worker_count(number) for number in (0, 1, 7)] == [0, 1, 7]

    def test_auto_is_the_cores_of_this_process(self) -> None:
        own = os.sched_getaffinity(0)
        assert 1 <= worker_count("auto") <= len(own)
        try:
            os.sched_setaffinity(0, {min(own)})
            assert worker_count("auto") == 1
        finally:
            os.sched_setaffinity(0, own)

    def test_auto_is_no_more_than_slurm_gives(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("joblib.cpu_count", lambda: 64)
        monkeypatch.setenv("SLURM_CPUS_PER_TASK", "4")
        assert worker_count("auto") == 4
        monkeypatch.setenv("SLURM_CPUS_PER_TASK", "100")
        assert worker_count("auto") == 64
