"""The frame of every stage script: parameters, use of the processor, lock, atomic outputs, tracking, error messages.

A script calls `main`, and imports what computes inside its `run`: the number of threads and the instruction set must be
fixed before numpy and torch are imported, because they read them once and results depend on them (Snakemake exports
OMP_NUM_THREADS=1, DVC does not).
"""

from __future__ import annotations

import gc
import logging
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, TypeVar

import typer
from tqdm import tqdm

from cytopipe import paths
from cytopipe.core.io.atomic import AtomicOutputs
from cytopipe.core.io.hashing import hash_tree, sha256_bytes
from cytopipe.core.io.locks import StageLock
from cytopipe.core.params import Params, load_params
from cytopipe.core.params.found import as_named
from cytopipe.core.pipeline import surroundings
from cytopipe.core.pipeline.description import Description, Values, read_description
from cytopipe.core.pipeline.devices import own_gpus
from cytopipe.core.pipeline.edits import Watch
from cytopipe.core.pipeline.engine import die_with, ending, engine
from cytopipe.core.pipeline.epochs import EpochLine
from cytopipe.core.pipeline.failures import messages
from cytopipe.core.pipeline.inputs import input_hashes
from cytopipe.core.pipeline.last_runs import note_failed, note_finished
from cytopipe.core.pipeline.logfile import kept_log
from cytopipe.core.pipeline.machine import Machine
from cytopipe.core.pipeline.processor import fix
from cytopipe.core.pipeline.tracking.tracker import Tracker
from cytopipe.core.pipeline.written import check_unchanged, forget_written, note_written
from cytopipe.errors import CytopipeError

logger = logging.getLogger("cytopipe")
LIBRARY = Path(__file__).parents[2]
T = TypeVar("T")


class Stage:
    """One execution of a stage.

    Attributes:
        name: name of the stage in dvc.yaml.
        item: name of the dataset, segmenter, classifier or screening; empty for a stage that runs once.
        params: all of params.yaml.
        settings: the parameters that the stage depends on, as plain values.
        inputs: SHA-256 of every input, by path.
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
        self._lines: dict[str, EpochLine] = {}  # by network

    def output(self, path: Path) -> Path:
        """Temporary path to write an output to; all outputs move to their own paths when the stage succeeds."""
        return self._outputs.path(path)

    def folder(self, path: Path) -> Path:
        """Like `output`, for a folder, which is created."""
        working = self.output(path)
        working.mkdir(parents=True)
        return working

    def progress(self, items: Iterable[T], total: int | None = None, unit: str = "image") -> Iterator[T]:
        """Iterate over items with a progress bar on standard error."""
        yield from tqdm(items, desc=self.label, total=total, unit=f" {unit}", mininterval=_interval(), file=sys.stderr)

    def counter(self) -> Callable[[int, int | None], None]:
        """A progress bar as a function of (done, total), in bytes or any other unit."""
        bar = self._bars.enter_context(
            tqdm(desc=self.label, unit="", unit_scale=True, mininterval=_interval(), file=sys.stderr)
        )

        def update(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return update

    def on_epoch(self, part: str, measures: dict[str, float]) -> None:
        """Show an epoch and log it to MLflow."""
        shown = "  ".join(
            f"{name} {value:.4f}" for name, value in measures.items() if name.startswith(("train", "val"))
        )
        line = self._lines.setdefault(part, EpochLine(_epochs(self.settings)))
        name = " ".join(filter(None, (self.label, part)))
        told = "  ".join(filter(None, (shown, line.describe(measures))))
        logger.info("%s epoch %d: %s", name, measures["epoch"], told)
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
        """Folder for checkpoints, named by a hash of what determines the result: inputs, parameters, code, torch."""
        code = [hash_tree(LIBRARY), hash_tree(Path(sys.argv[0])), version("torch")]
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
    """Seconds between updates of a progress bar; in a log file, a line every 10 s is enough."""
    return 0.2 if sys.stderr.isatty() else 10


Run = Callable[[Stage], None]


def main(run: Run, doc: str | None, *, live: bool = False, closed: Sequence[str] = ()) -> None:
    """Run the command line of a stage script, `stages/NAME.py`; dvc.yaml next to `stages/` describes the stage NAME.

    Args:
        run: does the work of the stage.
        doc: help text.
        live: send to MLflow while the stage runs, and what waits of the stages before it; see `Tracker`.
        closed: names of files in its inputs that it may not even hash.
    """
    script = Path(sys.argv[0]).absolute()
    with messages(script.stem, debug="--debug" in sys.argv):
        description = read_description(script.parents[1] / "dvc.yaml")
        kind = description.stages[script.stem].kind
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    which = typer.Argument(metavar=kind.upper(), help=f"Name of a {kind} in the parameters.")
    if kind:

        @app.command(help=doc)
        def with_item(item: str = which, params: ParamsFile = paths.PARAMS, debug: Debug = False) -> None:
            _guard(description, script.stem, item, params, run, debug, live, closed)
    else:

        @app.command(help=doc)
        def without_item(params: ParamsFile = paths.PARAMS, debug: Debug = False) -> None:
            _guard(description, script.stem, "", params, run, debug, live, closed)

    gc.set_threshold(100_000)  # rare collections save 0.7 s: most objects come from imports and stay
    try:
        app()
    finally:
        gc.freeze()  # skips the collection at exit, which would take a second


def _guard(
    description: Description,
    name: str,
    item: str,
    file: Path,
    run: Run,
    debug: bool,
    live: bool,
    closed: Sequence[str],
) -> None:
    """Run the stage; every error becomes a message and exit status 1."""
    label = f"{name}@{item}" if item else name
    section = description.stages[name].section
    signal.signal(signal.SIGTERM, _interrupt)
    with kept_log(label, engine().name):
        logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
        logger.setLevel(logging.INFO)
        try:
            with messages(label, debug, f"{section}.{item}" if item else ""):
                _execute(description, name, item, file, run, live, closed)
        except KeyboardInterrupt:
            note_failed(label)
            print(f"{name}: interrupted; nothing half-written is left, finished epochs are kept", file=sys.stderr)
            raise SystemExit(130) from None
        except BaseException:
            note_failed(label)
            raise


def _interrupt(number: int, frame: FrameType | None) -> None:
    ending.set()
    raise KeyboardInterrupt


def _execute(
    description: Description, name: str, item: str, file: Path, run: Run, live: bool, closed: Sequence[str]
) -> None:
    params = load_params(file)
    section = description.stages[name].section
    if section and item not in getattr(params, section):
        known = ", ".join(getattr(params, section))
        raise CytopipeError(f"there is no '{item}' in {section}", where=file, hint=f"known: {known}")
    surroundings.complete()
    fix(params.runtime.num_threads, params.runtime.cpu)
    runner = engine()
    die_with(runner)
    label = f"{name}@{item}" if item else name
    values = params.model_dump(mode="json")
    settings = _settings(description, name, item, values)
    start = time.monotonic()
    on_gpu = description.stages[name].gpu and params.runtime.device != "cpu"
    count = params.runtime.devices if description.stages[name].shared else 1
    own_devices = own_gpus(paths.LOCKS, label, count) if on_gpu else nullcontext()
    with StageLock(paths.LOCKS / f"{label}.lock"), own_devices:
        named = as_named(values)
        check_unchanged(description.inputs(name, item, named), closed)
        watch = Watch(description, name, item, file, named) if runner.name == "dvc" else None
        inputs = input_hashes(description, name, item, params, closed)
        tracker = Tracker(
            stage=name,
            item=item or None,
            experiment=params.tracking.experiment,
            enabled=params.tracking.enabled,
            live=live,
            params=settings,
            inputs=inputs,
            root=Path.cwd(),
        )
        with tracker, AtomicOutputs() as outputs, ExitStack() as bars:
            run(Stage(name, item, params, settings, inputs, tracker, outputs, bars))
            if watch:
                watch.refuse_edits()
            forget_written(label)
        note_written(label, description.stages[name].resolve(description.stages[name].outs, item, named))
        shutil.rmtree(paths.CHECKPOINTS / label, ignore_errors=True)  # the outputs are in place
        Machine.here(params).leave(label)
    note_finished(label, seconds := time.monotonic() - start, params.runtime.num_threads)
    logger.info("%s: done in %.1f s", label, seconds)


def _epochs(settings: Mapping[str, Any]) -> int | None:
    """Epochs of the training of the stage's entry; None without one."""
    entries = (entry for name, entry in settings.items() if name in ("classifier", "segmenter"))
    training = next((entry.get("training") for entry in entries if isinstance(entry, Mapping)), None)
    return training.get("epochs") if training else None


def _settings(description: Description, name: str, item: str, values: Values) -> dict[str, Any]:
    """The parameters that a stage depends on, as plain values: runtime, its entry, and those common to all entries."""
    stage = description.stages[name]
    runtime = {key: value for key, value in values["runtime"].items() if key != "num_workers"}
    entry = {stage.kind: values[stage.section][item]} if stage.section else {}
    common = {key: values[key] for key in stage.params if key in values and key not in description.sections}
    return {"runtime": runtime, **entry, **common}
