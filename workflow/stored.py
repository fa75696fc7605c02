"""Running a stage whose inputs and outputs Snakemake keeps in a store: on Kubernetes and in clouds.

Snakemake copies what a job reads from the store into a folder of its own, and what it writes from there; the stages
name paths of the project. This program, which the Snakefile puts before the command of a stage, joins the two:

    python -m workflow.stored --read PLACE=COPY ... --write PLACE=COPY ... -- COMMAND
"""

from __future__ import annotations

import argparse
import hashlib
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from workflow.dag import Dag, Rule, fingerprint


def produced(dag: Dag) -> frozenset[str]:
    """All paths that a rule writes: these are in the store, all other files come with the sources of the workflow."""
    return frozenset(dag.targets)


def inputs(rule: Rule, made: frozenset[str]) -> list[str]:
    """What a job of the rule needs from the store."""
    return [path for path in rule.inputs if path in made]


def sources(rule: Rule, made: frozenset[str]) -> str:
    """A hash of the code and files of the project that the rule reads: no inputs, but a change reruns it."""
    digest = hashlib.sha256()
    for path in (Path(path) for path in rule.inputs if path not in made):
        content = fingerprint(path).encode() if path.is_dir() else path.read_bytes() if path.is_file() else b""
        digest.update(f"{path} {hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


def arguments(rule: Rule, made: frozenset[str], read: Sequence[str], written: Sequence[str]) -> str:
    """Arguments of this program for Snakemake's copies of the inputs and outputs of a rule, as a shell takes them."""
    outputs = [output.path for output in rule.outputs]
    taken = [f"{place}={copy}" for place, copy in zip(inputs(rule, made), read, strict=True)]
    given = [f"{place}={copy}" for place, copy in zip(outputs, written, strict=True)]
    return shlex.join(["--read", *taken, "--write", *given])


def run(read: Mapping[Path, Path], written: Mapping[Path, Path], command: str) -> int:
    """Run a stage on Snakemake's copies; returns its exit status.

    Args:
        read: Snakemake's copy of each input, by its path in the project.
        written: where Snakemake expects each output, by its path in the project.
        command: shell command of the stage.

    Raises:
        FileExistsError: the project holds outputs itself.
    """
    for place, copy in read.items():
        _clear(place)
        place.symlink_to(copy.resolve())
    for place in written:
        _clear(place)
    status = subprocess.run(command, shell=True, check=False).returncode
    if status == 0:
        for place, copy in written.items():
            _move(place, copy)
    return status


def _clear(place: Path) -> None:
    """Make room in the project: what an earlier job left there is a link."""
    if place.is_symlink():
        place.unlink()
    if place.exists():
        raise FileExistsError(place)
    place.parent.mkdir(parents=True, exist_ok=True)


def _move(place: Path, copy: Path) -> None:
    if copy.is_dir():
        shutil.rmtree(copy)  # of an earlier attempt
    copy.parent.mkdir(parents=True, exist_ok=True)
    place.rename(copy)


def main(words: Sequence[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m workflow.stored", description=__doc__)
    for option in ("--read", "--write"):
        parser.add_argument(option, nargs="*", default=[], metavar="PLACE=COPY")
    parser.add_argument("command")
    given = parser.parse_args(words)
    read, written = ({Path(one.partition("=")[0]): Path(one.partition("=")[2]) for one in named}
                     for named in (given.read, given.write))  # fmt: skip
    try:
        return run(read, written, given.command)
    except FileExistsError as error:
        print(f"error: {error} is in this folder, but outputs lie in a store -> use a clone without", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
