"""What surrounds every stage script: parameters, threads, lock, whole-or-nothing outputs, tracking, clear errors.

A script calls `main`; torch is imported only after the number of threads is fixed, because it reads it once and
results depend on it (Snakemake exports OMP_NUM_THREADS=1 where DVC does not).
"""

from __future__ import annotations

import gc
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel
from tqdm import tqdm

from cytopipe import paths
from cytopipe.errors import CytopipeError
from cytopipe.io.atomic import AtomicOutputs
from cytopipe.io.hashing import hash_tree, sha256_bytes
from cytopipe.io.locks import StageLock
from cytopipe.params import Params, load_params
from cytopipe.pipeline.engine import die_with, engine
from cytopipe.pipeline.tracking.tracker import Tracker

logger = logging.getLogger("cytopipe")
T = TypeVar("T")


class Stage:
    """One execution of one stage.

    Attributes:
        name: of the stage, as in dvc.yaml.
        item: dataset, segmenter, classifier or screening; empty for a stage without one.
        params: the whole of params.yaml.
        inputs: hash of every input.
        tracker: the MLflow run.
    """

    def __init__(
        self,
        name: str,
        item: str,
        params: Params,
        inputs: dict[str, str],
        tracker: Tracker,
        outputs: AtomicOutputs,
        bars: ExitStack,
    ) -> None:
        self.name, self.item, self.params = name, item, params
        self.inputs, self.tracker, self._outputs, self._bars = inputs, tracker, outputs, bars

    def output(self, path: Path) -> Path:
        """Where to write an output; it appears under its own name, with all others, when the stage succeeds."""
        return self._outputs.path(path)

    def folder(self, path: Path) -> Path:
        """Like `output`, for a folder, which is made."""
        working = self.output(path)
        working.mkdir(parents=True)
        return working

    def progress(self, items: Iterable[T], total: int | None = None, unit: str = "image") -> Iterator[T]:
        """Show progress on standard error."""
        yield from tqdm(items, desc=self.label, total=total, unit=f" {unit}", mininterval=_interval(), file=sys.stderr)

    def counter(self) -> Callable[[int, int | None], None]:
        """A progress bar that is told (done, total), in bytes or whatever the teller counts."""
        bar = self._bars.enter_context(
            tqdm(desc=self.label, unit="", unit_scale=True, mininterval=_interval(), file=sys.stderr)
        )

        def tell(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return tell

    def on_epoch(self, part: str, measures: dict[str, float]) -> None:
        """Show an epoch and log it to MLflow."""
        shown = "  ".join(
            f"{name} {value:.4f}" for name, value in measures.items() if name.startswith(("train", "val"))
        )
        logger.info("%s epoch %d: %s", " ".join(filter(None, (self.label, part))), measures["epoch"], shown)
        prefix = f"{part}/" if part else ""
        self.tracker.log_metrics(
            {f"{prefix}{name}": value for name, value in measures.items() if name != "epoch"},
            step=int(measures["epoch"]),
        )

    @property
    def label(self) -> str:
        """`stage` or `stage@item`."""
        return f"{self.name}@{self.item}" if self.item else self.name

    @property
    def checkpoints(self) -> Path:
        """Folder for checkpoints, named by the hash of all that determines the result: inputs, parameters, code."""
        code = [hash_tree(Path(__file__).parent), hash_tree(Path(sys.argv[0]))]
        section = _section(self.params, self.name, self.item)
        key = sha256_bytes(repr([sorted(self.inputs.items()), section, code]).encode())[:24]
        return paths.CHECKPOINTS / self.label / key

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty folder for intermediate files, removed at the end."""
        folder = paths.STATE / "scratch" / self.label
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


ParamsFile = Annotated[Path, typer.Option("--params", help="Parameter file.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def _interval() -> float:
    """Seconds between progress updates: where no terminal watches, a line every 10 s is enough for a log."""
    return 0.2 if sys.stderr.isatty() else 10


Inputs = Callable[[Params, str], Iterable[Path]]
Run = Callable[[Stage], None]
_SECTION = {
    "train_segmenter": "segmenters",
    "train_classifier": "classifiers",
    "evaluate": "classifiers",
    "explain": "classifiers",
    "evaluate_screening": "screenings",
}


def main(name: str, run: Run, inputs: Inputs, doc: str | None, item: str = "") -> None:
    """The command line of a stage script.

    Args:
        name: of the stage.
        run: does its work.
        inputs: paths that it reads; files and folders are hashed, for MLflow's tags and the keys of checkpoints.
        doc: help text.
        item: what its argument names ("dataset", "segmenter", "classifier", "screening"), or empty where it takes none.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    which = typer.Argument(metavar=item.upper(), help=f"Name of a {item} in the parameters.")
    if item:

        @app.command(help=doc)
        def with_item(name_of_item: str = which, params: ParamsFile = paths.PARAMS, debug: Debug = False) -> None:
            _guard(name, name_of_item, params, run, inputs, f"{item}s", debug)
    else:

        @app.command(help=doc)
        def without_item(params: ParamsFile = paths.PARAMS, debug: Debug = False) -> None:
            _guard(name, "", params, run, inputs, "", debug)

    gc.set_threshold(100_000)  # what torch and MLflow make when they are imported stays: collected rarely, 0.7 s less
    try:
        app()
    finally:
        gc.freeze()  # the exit frees all memory; a last collection would take a second


def _guard(name: str, item: str, file: Path, run: Run, inputs: Inputs, section: str, debug: bool) -> None:
    """Run the stage; turn an error that a user can mend into one message and exit status 1."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logger.setLevel(logging.INFO)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _execute(name, item, file, run, inputs, section)
    except (CytopipeError, OSError) as error:  # OSError: a full disk, a missing permission
        if debug:
            raise
        print(f"error in {name}{'@' + item if item else ''}: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print(f"{name}: interrupted; nothing half-written is left, finished epochs are kept", file=sys.stderr)
        raise SystemExit(130) from None


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _execute(name: str, item: str, file: Path, run: Run, inputs: Inputs, section: str) -> None:
    params = load_params(file)
    if section and item not in getattr(params, section):
        known = ", ".join(getattr(params, section))
        raise CytopipeError(f"there is no '{item}' in {section}", where=file, hint=f"known: {known}")
    fix_threads(params.runtime.num_threads)
    die_with(engine())
    label = f"{name}@{item}" if item else name
    start = time.monotonic()
    with StageLock(paths.LOCKS / f"{label}.lock"):
        hashes = {path.as_posix(): hash_tree(path) for path in _existing(inputs(params, item), label)}
        tracker = Tracker(
            stage=name,
            item=item or None,
            experiment=params.tracking.experiment,
            enabled=params.tracking.enabled,
            params=_section(params, name, item),
            inputs=hashes,
            root=Path.cwd(),
        )
        with tracker, AtomicOutputs() as outputs, ExitStack() as bars:
            run(Stage(name, item, params, hashes, tracker, outputs, bars))
        shutil.rmtree(paths.CHECKPOINTS / label, ignore_errors=True)  # the outputs are in place
    logger.info("%s: done in %.1f s", label, time.monotonic() - start)


def fix_threads(count: int) -> None:
    """Fix the threads of every numerical library, before any of them is imported."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ[variable] = str(count)
    # Two processes that share cores ran 10 times slower while idle threads spun.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def _existing(inputs: Iterable[Path], label: str) -> Iterator[Path]:
    for path in inputs:
        if not path.exists():
            raise CytopipeError(
                "this input is missing", where=path, hint=f"run the stages before it: dvc repro {label}"
            )
        yield path


def _section(params: Params, name: str, item: str) -> dict[str, Any]:
    """The parameters that a stage depends on, as plain values."""
    section = _SECTION.get(name, "datasets")
    runtime = params.runtime.model_dump(mode="json", exclude={"num_workers"})
    chosen = getattr(params, section)
    values: BaseModel | None = chosen.get(item) if item else None
    own = {"explain": params.explain.model_dump(mode="json")} if name == "explain" else {}
    return {"runtime": runtime, section[:-1]: values.model_dump(mode="json") if values else {}, **own}
