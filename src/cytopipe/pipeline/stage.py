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
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, TypeVar

import typer
from tqdm import tqdm

from cytopipe import paths
from cytopipe.errors import CytopipeError
from cytopipe.io.atomic import AtomicOutputs
from cytopipe.io.hashing import hash_tree, sha256_bytes
from cytopipe.io.locks import StageLock
from cytopipe.params import Params, load_params
from cytopipe.pipeline.description import Description, Values, read_description
from cytopipe.pipeline.engine import die_with, engine
from cytopipe.pipeline.inputs import hash_inputs
from cytopipe.pipeline.tracking.tracker import Tracker

logger = logging.getLogger("cytopipe")
LIBRARY = Path(__file__).parents[1]
T = TypeVar("T")


class Stage:
    """One execution of one stage.

    Attributes:
        name: of the stage, as in dvc.yaml.
        item: dataset, segmenter, classifier or screening; empty for a stage without one.
        params: the whole of params.yaml.
        settings: the parameters that the stage depends on, as plain values.
        inputs: hash of every input, by path.
        tracker: the MLflow run.
    """

    def __init__(
        self,
        name: str,
        item: str,
        params: Params,
        settings: Mapping[str, Any],
        inputs: Mapping[str, str],
        tracker: Tracker,
        outputs: AtomicOutputs,
        bars: ExitStack,
    ) -> None:
        self.name, self.item, self.params, self.settings = name, item, params, settings
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
        code = [hash_tree(LIBRARY), hash_tree(Path(sys.argv[0]))]
        key = sha256_bytes(repr([sorted(self.inputs.items()), self.settings, code]).encode())[:24]
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


Run = Callable[[Stage], None]


def main(run: Run, doc: str | None) -> None:
    """The command line of a stage script, `stages/NAME.py`: dvc.yaml beside `stages/` describes the stage NAME.

    Args:
        run: does the stage's work.
        doc: help text.
    """
    script = Path(sys.argv[0]).absolute()
    description = read_description(script.parents[1] / "dvc.yaml")
    kind = description.stages[script.stem].kind
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    which = typer.Argument(metavar=kind.upper(), help=f"Name of a {kind} in the parameters.")
    if kind:

        @app.command(help=doc)
        def with_item(item: str = which, params: ParamsFile = paths.PARAMS, debug: Debug = False) -> None:
            _guard(description, script.stem, item, params, run, debug)
    else:

        @app.command(help=doc)
        def without_item(params: ParamsFile = paths.PARAMS, debug: Debug = False) -> None:
            _guard(description, script.stem, "", params, run, debug)

    gc.set_threshold(100_000)  # what torch and MLflow make when they are imported stays: collected rarely, 0.7 s less
    try:
        app()
    finally:
        gc.freeze()  # the exit frees all memory; a last collection would take a second


def _guard(description: Description, name: str, item: str, file: Path, run: Run, debug: bool) -> None:
    """Run the stage; turn an error that a user can mend into one message and exit status 1."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logger.setLevel(logging.INFO)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _execute(description, name, item, file, run)
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


def _execute(description: Description, name: str, item: str, file: Path, run: Run) -> None:
    params = load_params(file)
    section = description.stages[name].section
    if section and item not in getattr(params, section):
        known = ", ".join(getattr(params, section))
        raise CytopipeError(f"there is no '{item}' in {section}", where=file, hint=f"known: {known}")
    fix_threads(params.runtime.num_threads)
    die_with(engine())
    label = f"{name}@{item}" if item else name
    values = params.model_dump(mode="json")
    settings = _settings(description, name, item, values)
    start = time.monotonic()
    with StageLock(paths.LOCKS / f"{label}.lock"):
        inputs = hash_inputs(description.inputs(name, item, values), description.outputs(values), label)
        tracker = Tracker(
            stage=name,
            item=item or None,
            experiment=params.tracking.experiment,
            enabled=params.tracking.enabled,
            params=settings,
            inputs=inputs,
            root=Path.cwd(),
        )
        with tracker, AtomicOutputs() as outputs, ExitStack() as bars:
            run(Stage(name, item, params, settings, inputs, tracker, outputs, bars))
        shutil.rmtree(paths.CHECKPOINTS / label, ignore_errors=True)  # the outputs are in place
    logger.info("%s: done in %.1f s", label, time.monotonic() - start)


def _settings(description: Description, name: str, item: str, values: Values) -> dict[str, Any]:
    """The parameters that a stage depends on, as plain values: of this machine, of its entry, and of all entries."""
    stage = description.stages[name]
    runtime = {key: value for key, value in values["runtime"].items() if key != "num_workers"}
    entry = {stage.kind: values[stage.section][item]} if stage.section else {}
    common = {key: values[key] for key in stage.params if key in values and key not in description.sections}
    return {"runtime": runtime, **entry, **common}


def fix_threads(count: int) -> None:
    """Fix the threads of every numerical library, before any of them is imported."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ[variable] = str(count)
    # Two processes that share cores ran 10 times slower while idle threads spun.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
