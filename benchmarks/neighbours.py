"""Time of a training beside busy processes, one for each core, over its time alone.

    python neighbours.py PRESET WORKERS     train one epoch for each line of standard input; for `measure`

Sharing every core with one other process, a training can have half of each: 2 is the best ratio. Its own processor time
shows the cause of a worse one: it rises where idle threads spin instead of sleeping.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

IMAGES = 320
SIZE = 64
BUSY = "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass"  # ends with its parent
SPINNING = {"OMP_WAIT_POLICY": "active", "OPENBLAS_THREAD_TIMEOUT": "26"}


def measure(preset: Path, rounds: int, workers: int) -> dict[str, Any]:
    """Median ratios of wall and processor time, beside busy processes over alone, by how idle threads wait.

    Args:
        preset: parameters; their first classifier is trained.
        rounds: alternating epochs.
        workers: number of loader processes.
    """
    results: dict[str, Any] = {"busy_processes": os.cpu_count(), "workers": workers, "rounds": rounds}
    for name, environment in (("asleep", {}), ("spinning", SPINNING)):
        with _training(preset, workers, environment) as training:
            alone, beside = [], []
            for _ in range(rounds):
                alone.append(_epoch(training))
                with _busy(os.cpu_count() or 1):
                    beside.append(_epoch(training))
        pairs = list(zip(alone, beside, strict=True))
        results[name] = {
            key: round(statistics.median(one[key] / other[key] for other, one in pairs), 2) for key in ("wall", "cpu")
        }
    return results


@contextmanager
def _training(preset: Path, workers: int, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, __file__, str(preset), str(workers)]
    env = {**os.environ, **environment}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as training:
        _epoch(training)  # warms up
        yield training
        training.communicate()


def _epoch(training: subprocess.Popen[str]) -> dict[str, float]:
    assert training.stdin is not None and training.stdout is not None
    training.stdin.write("\n")
    training.stdin.flush()
    taken: dict[str, float] = json.loads(training.stdout.readline())
    return taken


@contextmanager
def _busy(count: int) -> Iterator[None]:
    with ExitStack() as stack:
        processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
        for process in processes:
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield


def train(preset: Path, workers: int) -> None:
    """Train an epoch for each line of standard input, and print its seconds of wall and processor time."""
    from cytopipe.core.params import load_params
    from cytopipe.core.pipeline.processor import fix

    params = load_params(preset)
    fix(params.runtime.num_threads, params.runtime.cpu)
    import torch

    from cytopipe.models.determinism import prepare
    from training import prepare_classifier

    prepare(params.runtime)
    config = next(iter(params.classifiers.values()))
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare_classifier(config, Path(folder), SIZE, IMAGES, torch.device("cpu"))
        loader = prepared.loader(workers)
        for number, _ in enumerate(sys.stdin):
            start, used = time.perf_counter(), _processor_seconds()
            prepared.train(loader.epoch(number))
            taken = {"wall": time.perf_counter() - start, "cpu": _processor_seconds() - used}
            print(json.dumps(taken), flush=True)


def _processor_seconds() -> float:
    """Processor time of this process and its loader processes."""
    me = psutil.Process()
    return sum(time.user + time.system for time in (one.cpu_times() for one in (me, *me.children(recursive=True))))


if __name__ == "__main__":
    train(Path(sys.argv[1]), int(sys.argv[2]))
