"""Measure cytopipe's speed and memory as ratios within one run, which can be compared between machines.

python benchmarks/run.py                        everything, about ten minutes
python benchmarks/run.py --only memory --only throughput --rounds 9
python benchmarks/run.py --preset tiny --write
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from copies import ROOT, fresh

sys.path.insert(0, str(ROOT))  # workflow/, as the Snakefile does

from cytopipe.core.params import load_params
from cytopipe.core.pipeline.machine import read_name
from cytopipe.core.pipeline.processor import fix

RESULTS = ROOT / "docs/bench.json"


class Part(StrEnum):
    """The measurements."""

    throughput = "throughput"
    first_run = "first_run"
    noop = "noop"
    memory = "memory"
    processes = "processes"
    exported = "exported"
    portable = "portable"
    accelerator = "accelerator"
    neighbours = "neighbours"


def main(
    only: Annotated[list[Part] | None, typer.Option(help="Measure only this part; repeatable. Default: all.")] = None,
    preset: Annotated[str, typer.Option(help="Parameters to measure with.")] = "demo",
    rounds: Annotated[int, typer.Option(min=1, help="Alternating measurements.")] = 5,
    workers: Annotated[int | None, typer.Option(min=0, help="Loader threads; by default one.")] = None,
    images: Annotated[int, typer.Option(min=40, help="Images for one and for several processes.")] = 2_000,
    processes: Annotated[int, typer.Option(min=2, help="Number of several processes.")] = 2,
    write: Annotated[bool, typer.Option(help="Also write docs/bench.json.")] = False,
) -> None:
    """Measure and print ratios."""
    parts = list(only or Part)
    file = ROOT / f"workflow/presets/{preset}.yaml"
    params = load_params(file)
    fix(params.runtime.num_threads, params.runtime.cpu)
    results: dict[str, Any] = {
        "command": " ".join(["python", "benchmarks/run.py", *sys.argv[1:]]),
        "preset": preset,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "processor": read_name(),
        "load_before": [round(load, 1) for load in os.getloadavg()],
    }
    with _folder() as folder:
        if Part.memory in parts:
            import memory

            results["memory"] = memory.measure(fresh(folder / "memory", file))
            _show("build_tensors: peak memory, many images over few", results["memory"])
        if Part.processes in parts:
            import processes as stages

            project = fresh(folder / "processes", ROOT / "workflow/presets/malaria.yaml")
            results["processes"] = stages.measure(project, images, (1, processes), rounds)
            _show("raw files to tensors: several processes over one", results["processes"])
        if Part.throughput in parts:
            import throughput

            results["throughput"] = throughput.measure(params, folder, rounds, workers)
            _show("training: over a resident batch, and over ImageFolder", results["throughput"])
        if Part.exported in parts:
            import exported

            results["exported"] = exported.measure(params)
            _show("inference: torch over ONNX Runtime", results["exported"])
        if Part.portable in parts:
            import portable

            results["portable"] = portable.measure(file, rounds)
            _show("a training step: portable over native", results["portable"])
        if Part.accelerator in parts:
            import accelerator

            count = 1 if workers is None else workers
            results["accelerator"] = accelerator.measure(params, folder, count, rounds)
            _show("training: is the loop fit for a GPU?", results["accelerator"])
        if Part.neighbours in parts:
            import neighbours

            results["neighbours"] = neighbours.measure(file, rounds, 1)
            _show("training: beside one busy process for each core, over alone", results["neighbours"])
        if Part.first_run in parts or Part.noop in parts:
            import first_run
            import noop

            project = fresh(folder / "project", file)
            results["first_run"] = first_run.measure(project, folder)
            _show(
                "a first run of the whole pipeline: seconds, and peak disk usage over the outputs", results["first_run"]
            )
            if Part.noop in parts:
                results["noop"] = noop.measure(project, folder, rounds)
                _show("nothing to do: over the bare engine", results["noop"])
    if write:
        known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}  # parts that were not measured now stay
        RESULTS.write_text(json.dumps(known | results, indent=2) + "\n")
        print(f"written: {RESULTS.relative_to(ROOT)}")


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cytopipe-bench-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _show(title: str, result: dict[str, Any]) -> None:
    print(f"\n{title}\n{json.dumps(result, indent=2)}", flush=True)


if __name__ == "__main__":
    typer.run(main)
