"""Kill the preset tiny by SIGKILL again and again, run it again each time, and write what was found: `make chaos`.

    python tests/faults/chaos.py --runs 50 --seed 1 --write docs/chaos.json

DVC and Snakemake take turns, and so do the victims: the engine, a stage, a process of a stage (one that decodes images,
say), and the whole process group. Each pass begins with another stage, whose outputs are deleted with those of all that
follow, and is killed at a moment that the seed draws.
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "src"), str(ROOT / "tests")]

from engine_projects import MINUTES, Project, fresh  # noqa: E402
from kills import ENGINES, VICTIMS, Outcome, Pipeline, draw  # noqa: E402

COMMANDS: Mapping[str, Sequence[str]] = {"dvc": ("dvc", "repro"), "snakemake": ("snakemake", "--cores", "2")}


def undisturbed(folder: Path) -> dict[str, Project]:
    """A finished copy of tiny by each engine, made where it is missing."""
    projects = {engine: Project(folder / engine) for engine in ENGINES}
    for engine, project in projects.items():
        if not (folder / f"{engine}.done").exists():
            print(f"undisturbed run by {engine}", flush=True)
            shutil.rmtree(project.folder, ignore_errors=True)
            fresh(project.folder)
            assert project.start(*COMMANDS[engine]).wait(30 * MINUTES) == 0, project.log.read_text()
            (folder / f"{engine}.done").touch()
    return projects


def summary(alone: bool, seed: int, asked: int, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What is written: numbers of kills by engine, victim and stage, and every fault."""

    def counted(keys: list[str]) -> dict[str, int]:
        return dict(sorted(Counter(keys).items()))

    options = f"--runs {asked} --seed {seed}{' --alone' if alone else ''}"
    return {
        "command": f"python tests/faults/chaos.py {options} --write docs/chaos.json",
        "preset": "tiny",
        "pass": "one stage" if alone else "a stage and all that follow",
        "runs": len(outcomes),
        "seed": seed,
        "engines": counted([one.kill.engine for one in outcomes]),
        "killed": counted([one.hit for one in outcomes]),
        "stages_running": counted([name for one in outcomes for name in one.running or ("between stages",)]),
        "trainings_resumed": sum(one.resumed for one in outcomes),
        "faults": [f"{one}" for one in outcomes if one.faults],
    }


def main() -> int:
    """The command line; the exit status is 1 if anything was wrong after a kill."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=50, help="number of kills")
    parser.add_argument("--seed", type=int, help="of the draws; default: a new one, which is printed")
    parser.add_argument("--write", type=Path, help="JSON file for the result, renewed after every kill")
    parser.add_argument("--folder", type=Path, help="for the projects; what is there is used; default: a temporary one")
    parser.add_argument("--alone", action="store_true", help="a pass runs one stage, not all that follow: much faster")
    arguments = parser.parse_args()
    seed = secrets.randbelow(10**6) if arguments.seed is None else arguments.seed
    print(f"{arguments.runs} kills of tiny, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        folder = (arguments.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        projects = undisturbed(folder)
        sums = {engine: project.sums() for engine, project in projects.items()}
        assert sums["dvc"] == sums["snakemake"], "the engines differ undisturbed"
        pipelines = {
            engine: Pipeline(project.folder, sums[engine], whole_pass=not arguments.alone)
            for engine, project in projects.items()
        }
        outcomes = list[Outcome]()
        for kill in draw(seed, arguments.runs, list(pipelines["dvc"].rules)):
            outcomes.append(pipelines[kill.engine].suffer(kill))
            print(outcomes[-1], flush=True)
            if arguments.write:
                written = summary(arguments.alone, seed, arguments.runs, outcomes)
                arguments.write.write_text(json.dumps(written, indent=2) + "\n")
    wrong = [one for one in outcomes if one.faults]
    print(f"{len(outcomes)} kills, {len(wrong)} with faults; victims: {', '.join(VICTIMS)}; seed {seed}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
