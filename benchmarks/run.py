"""Measure cytopipe's speed and memory as ratios within one run, which can be compared between machines.

python benchmarks/run.py                        everything, about half an hour
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
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from copies import ROOT, Copy, fresh

sys.path.insert(0, str(ROOT))  # workflow/, as the Snakefile does

from cytopipe.core.params import Params, load_params
from cytopipe.core.pipeline.machine import read_name
from cytopipe.core.pipeline.processor import fix

RESULTS = ROOT / "docs/bench.json"


class Part(StrEnum):
    """The measurements."""

    memory = "memory"
    processes = "processes"
    throughput = "throughput"
    exported = "exported"
    portable = "portable"
    accelerator = "accelerator"
    neighbours = "neighbours"
    first_run = "first_run"
    noop = "noop"


TITLES = {
    Part.memory: "build_tensors: peak memory, many images over few",
    Part.processes: "raw files to tensors: several processes over one",
    Part.throughput: "training: over a resident batch, and over ImageFolder",
    Part.exported: "inference: torch over ONNX Runtime",
    Part.portable: "a training step: portable over native",
    Part.accelerator: "training: is the loop fit for a GPU?",
    Part.neighbours: "training: beside one busy process for each core, over alone",
    Part.first_run: "a first run of the whole pipeline: seconds and disk",
    Part.noop: "nothing to do: over the bare engine",
}


@dataclass(frozen=True)
class Settings:
    """What the measurements share: parameters, their file, a folder, and the options of the command."""

    params: Params
    file: Path
    folder: Path
    rounds: int
    workers: int | None
    images: int
    processes: int


def main(
    only: Annotated[list[Part] | None, typer.Option(help="Measure only this part; repeatable. Default: all.")] = None,
    preset: Annotated[str, typer.Option(help="Parameters to measure with.")] = "demo",
    rounds: Annotated[int, typer.Option(min=1, help="Alternating measurements.")] = 5,
    workers: Annotated[int | None, typer.Option(min=0, help="Loader threads; by default one.")] = None,
    images: Annotated[int, typer.Option(min=40, help="Images for one and for several processes.")] = 2_000,
    processes: Annotated[int, typer.Option(min=2, help="Number of several processes.")] = 2,
    write: Annotated[bool, typer.Option(help="Also write docs/bench.json, part by part.")] = False,
) -> None:
    """Measure and print ratios."""
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
        settings = Settings(params, file, folder, rounds, workers, images, processes)
        for part in only or list(Part):
            results[part.value] = _measure(part, settings)
            print(f"\n{TITLES[part]}\n{json.dumps(results[part.value], indent=2)}", flush=True)
            if write:
                known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}  # other parts stay
                RESULTS.write_text(json.dumps(known | results, indent=2) + "\n")


def _measure(part: Part, settings: Settings) -> dict[str, Any]:
    """Measure one part; modules are imported here, after the processor is fixed."""
    folder, file, params, rounds = settings.folder, settings.file, settings.params, settings.rounds
    match part:
        case Part.memory:
            import memory

            return memory.measure(fresh(folder / "memory", file))
        case Part.processes:
            import processes

            project = fresh(folder / "processes", ROOT / "workflow/presets/malaria.yaml")
            return processes.measure(project, settings.images, (1, settings.processes), rounds)
        case Part.throughput:
            import throughput

            return throughput.measure(params, folder, rounds, settings.workers)
        case Part.exported:
            import exported

            return exported.measure(params)
        case Part.portable:
            import portable

            return portable.measure(file, rounds)
        case Part.accelerator:
            import accelerator

            return accelerator.measure(params, folder, 1 if settings.workers is None else settings.workers, rounds)
        case Part.neighbours:
            import neighbours

            return neighbours.measure(file, rounds, 1)
        case Part.first_run:
            import first_run

            return first_run.measure(fresh(folder / "project", file), folder)
        case Part.noop:
            import noop

            finished = Copy(folder / "project")
            if not finished.folder.exists():
                fresh(finished.folder, file).run("dvc", "repro")
            return noop.measure(finished, folder, rounds)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cytopipe-bench-", ignore_cleanup_errors=True) as name:
        yield Path(name)


if __name__ == "__main__":
    typer.run(main)
