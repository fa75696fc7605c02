"""The tools of benchmarks/, and the peak memory of build_tensors, which must not grow with the data."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

import first_run
import memory
import processes
import timed
from copies import fresh

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A fake clock, in seconds, that a test advances."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def test_nested_calls_are_timed_once(clock: list[float]) -> None:
    watch = timed.Stopwatch()

    def work() -> None:
        clock[0] += 1

    inner = watch.around(work)
    watch.around(lambda: (inner(), inner()))()
    work()
    assert watch.seconds == 2


def test_a_call_that_fails_is_timed_and_the_next_one_too(clock: list[float]) -> None:
    watch = timed.Stopwatch()

    def fail() -> None:
        clock[0] += 1
        raise ValueError

    for _ in range(2):
        with pytest.raises(ValueError):
            watch.around(fail)()
    assert watch.seconds == 2


def recorded(tmp_path: Path, script: str) -> tuple[dict[str, float], str]:
    (tmp_path / "script.py").write_text(script)
    command = [sys.executable, str(ROOT / "benchmarks/timed.py"), "record.jsonl", "script.py", "item"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    times: dict[str, float] = json.loads((tmp_path / "record.jsonl").read_text().splitlines()[-1])
    return times, done.stdout


def test_a_script_without_torch_computes_nothing_and_does_not_get_torch(tmp_path: Path) -> None:
    taken, output = recorded(tmp_path, "import sys\nprint(sys.argv, 'torch' in sys.modules)\n")
    assert output.strip() == "['script.py', 'item'] False"
    assert taken["network_seconds"] == 0 < taken["seconds"]


def test_forward_and_backward_passes_are_computing_time(tmp_path: Path) -> None:
    script = """
import time
import torch

class Slow(torch.nn.Module):
    def forward(self, x):
        time.sleep(0.2)
        return x * 2

time.sleep(0.3)
loss = Slow()(torch.ones(1, requires_grad=True)).sum()
loss.backward()
"""
    taken, _ = recorded(tmp_path, script)
    assert taken["network_seconds"] >= 0.2
    assert taken["seconds"] - taken["network_seconds"] >= 0.3


def test_imports_are_timed_apart_also_inside_functions(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(0.2)\n")
    taken, _ = recorded(tmp_path, "def work():\n    import slow\n\nwork()\n")
    assert 0.2 <= taken["import_seconds"] <= taken["seconds"]
    taken, _ = recorded(tmp_path, "import time\ntime.sleep(0.3)\n")
    assert taken["seconds"] - taken["import_seconds"] >= 0.3


def test_every_second_of_a_stage_is_in_one_part_over_all_its_items() -> None:
    records = [
        {"stage": "stages/evaluate.py a", "seconds": 10.0, "network_seconds": 5.0, "import_seconds": 2.0},
        {"stage": "stages/evaluate.py b", "seconds": 6.0, "network_seconds": 1.0, "import_seconds": 2.0},
        {"stage": "stages/compare.py", "seconds": 3.0, "network_seconds": 0.0, "import_seconds": 1.0},
    ]
    assert first_run._by_stage(records) == {
        "evaluate": {"runs": 2, "networks": 6.0, "imports": 4.0, "rest": 6.0},
        "compare": {"runs": 1, "networks": 0.0, "imports": 1.0, "rest": 2.0},
    }


def test_the_peak_memory_of_build_tensors_does_not_grow_with_the_images(tmp_path: Path) -> None:
    project = fresh(tmp_path / "project", ROOT / "workflow/presets/tiny.yaml")
    result = memory.measure(project, few=500, many=5_000)
    assert result["ratio"] < 1.1
    assert result["peak_mib"][0] > 30


def test_disk_usage_counts_a_linked_file_once_and_no_history(tmp_path: Path) -> None:
    for name in ("data/a", "cache/b", ".git/c"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(bytes(100_000))
    once = first_run._disk_usage(tmp_path / "data")
    assert once >= 100_000 and first_run._disk_usage(tmp_path) == 2 * once
    (tmp_path / "cache/linked").hardlink_to(tmp_path / "data/a")
    assert first_run._disk_usage(tmp_path) == 2 * once


def test_images_of_the_benchmark_are_all_different_and_of_both_classes(tmp_path: Path) -> None:
    processes._write_images(tmp_path, 80)
    files = sorted(tmp_path.glob("cell_images/*/*.png"))
    assert len(files) == len({file.read_bytes() for file in files}) == 80
    assert len({file.parent.name for file in files}) == 2
