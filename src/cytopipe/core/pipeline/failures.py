"""Every exception as one message: what went wrong, where, and what to do; the traceback is kept for a report.

Stages and commands share it. What other libraries raise is recognised by class and text, without importing them: a
stage that needs no torch must not load it for an error.
"""

from __future__ import annotations

import contextlib
import errno
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cytopipe import paths
from cytopipe.core.io.atomic import write_text
from cytopipe.errors import CytopipeError

LIBRARY = Path(__file__).parents[2]

_MEMORY = "lower runtime.num_workers, {batch} or the dataset's image_size, or end other programs"
_ROOM = "make room on that disk (df -h shows how much is left), then run the command again"
_IMAGE_SIZE = (
    "set the dataset's image_size, or the input_size of {entry} alone, to a size that the architecture takes; "
    "224 fits nearly all"
)
_SHARED = "/dev/shm, the memory that processes share, is too small"
_SHARED_HINT = "set runtime.num_workers: 0, or give the container more: docker run --shm-size=2g (or --ipc=host)"
_SMALL = "the images are smaller than the network needs"
_DRIVER = "update NVIDIA's driver, or compute on the processor: runtime.device: cpu (of a command: --device cpu)"
_USER = "this user id ({0}) has no name on this machine, as in a container"
_INSTALL = "run `make setup`, then `source .venv/bin/activate`, and the command again"


class _Known(NamedTuple):
    """A failure of another library.

    Attributes:
        kind: names of exception classes, one of which is the error's or a base of it; a regular expression.
        text: found in the error's text; a regular expression, whose groups `what` can show.
        what, hint: of the message. `{entry}` is the entry of params.yaml, `{batch}` its batch size.
    """

    kind: str
    text: str
    what: str
    hint: str


# The first that fits is taken.
_KNOWN = (
    _Known("OutOfMemoryError|RuntimeError|AcceleratorError", r"CUDA out of memory|CUDA error: out of memory|"
           "CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED",
           "the memory of the GPU is full", "lower {batch} or the dataset's image_size, end other programs on the "
           "GPU (nvidia-smi lists them), or set runtime.device: cpu (of a command: --device cpu)"),
    _Known("RuntimeError|AcceleratorError", r"driver on your system is too old|driver version is insufficient|"
           r"no kernel image is available", "this PyTorch and the GPU, or its driver, do not fit together", _DRIVER),
    _Known("RuntimeError|AcceleratorError", r"CUDA error: ([^\n]+)|No CUDA GPUs are available",
           "the GPU cannot be used ({0})", _DRIVER),
    _Known("RuntimeError|OSError", r"unable to (?:allocate|open|write) shared memory|DataLoader worker .* killed by "
           r"signal: Bus error|/dev/shm|/torch_\d+_", _SHARED, _SHARED_HINT),
    _Known("MemoryError", r"", "the memory of this machine is full", _MEMORY),
    _Known("RuntimeError|error", r"can't allocate memory|not enough memory|Insufficient memory",
           "the memory of this machine is full", _MEMORY),
    _Known("BrokenProcessPool|BrokenThreadPool", r"", "a worker process was killed, most likely because memory ran out",
           "run fewer processes: lower runtime.num_workers"),
    _Known("AssertionError", r"Input (?:height|width|image size)\D*(\d+)\D.* match model \((\d+)",
           "the network takes images of {1} px, not of {0} px", "set the dataset's image_size, or the input_size of "
           "{entry} alone, to {1}"),
    _Known("AssertionError", r"Input (?:height|width) \((\d+)\) should be divisible by patch size \((\d+)\)",
           "the network takes images whose side is a multiple of {1} px, not of {0} px", "set the dataset's "
           "image_size, or the input_size of {entry} alone, to a multiple of {1}"),
    _Known("ValueError", r"Expected more than 1 (?:value per channel|spatial element) when training",
           "batch normalisation cannot learn from one image whose last features are a single pixel",
           "raise {batch} to 2 or more, or the dataset's image_size"),
    _Known("RuntimeError", r"Kernel size can't be greater than actual input size|Output size is too small|"
           r"smaller than kernel size|non-zero size for input", _SMALL, "raise the dataset's image_size, or the "
           "input_size of {entry} alone, or choose another architecture"),
    _Known("RuntimeError", r"mat1 and mat2 shapes cannot be multiplied|must match the size of tensor|"
           r"shape '\[.*\]' is invalid for input of size", "the network does not take images of this size ({text})",
           _IMAGE_SIZE),
    _Known("RuntimeError", r"Error\(s\) in loading state_dict", "these weights belong to another architecture",
           "correct `pretrained` or `architecture` of {entry}; of a model folder: train it again"),
    _Known("SafetensorError|RuntimeError|OperationalError|DatabaseError|error", r"No space left on device|os error 28|"
           r"database or disk is full|PytorchStreamWriter failed|file write failed", "a disk is full", _ROOM),
    _Known("OperationalError|DatabaseError", r"readonly database|unable to open database file|disk I/O error|"
           r"database disk image is malformed|database is locked", "a database in .cytopipe cannot be used ({text})",
           "it only speeds runs up: end other runs, check that this folder may be written, or remove "
           ".cytopipe/*.sqlite"),
    _Known("Exception", r"is not owned by current user|dubious ownership",
           "git refuses this folder, which belongs to another user",
           "if you trust it: git config --global --add safe.directory and the folder's path"),
    _Known("KeyError|OSError", r"getpwuid\(\): uid not found: (\d+)|No username set in the environment", _USER,
           "set a name for it: export USER=me"),
    _Known("RuntimeError", r"home directory|Could not determine home", "this user has no home folder",
           "name a folder that may be written: export HOME=/tmp"),
    _Known("ModuleNotFoundError", r"No module named '?(\w+)|import of (\w+)[\w.]* halted",
           "the Python package {0} is not installed", _INSTALL),
    _Known("ImportError|OSError", r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object file",
           "the system library {0} is missing", "install it by the system's package manager, such as: apt-get install "
           "libgl1 libglib2.0-0 libgomp1"),
    _Known("ImportError|OSError", r"version [`'](\w+)' not found|GLIBC",
           "a system library is too old for the installed packages ({text})",
           "use a newer system or container, or unset LD_LIBRARY_PATH"),
    _Known("ImportError", r"", "an installed package does not fit the others ({text})", _INSTALL),
    _Known("UnicodeEncodeError|UnicodeDecodeError", r"surrogates not allowed|'utf-8' codec can't",
           "a name or a text is not UTF-8 ({text})", "rename the file, or save the text as UTF-8"),
    _Known("UnicodeEncodeError|UnicodeDecodeError", r"", "this system's language setting cannot write or read a letter "
           "({text})", "set UTF-8: export LC_ALL=C.UTF-8 PYTHONUTF8=1"),
    _Known("TimeoutExpired", r"Command '?\[?'?([\w./-]+)", "{0} does not answer", "try again; is a network disk slow?"),
    _Known("RecursionError", r"", "a value in a file is nested too deep to be read", "simplify params.yaml, or the "
           "file that was read last"),
    _Known("URLError|ConnectionError|gaierror|SSLError|HTTPError", r"", "a server cannot be reached ({text})",
           "check the connection and the proxy (HTTPS_PROXY), or use a local file"),
)  # fmt: skip

# By the system's number: what, hint. The file is the message's `where`.
_SYSTEM = {
    errno.ENOSPC: ("the disk is full", _ROOM),
    errno.EDQUOT: ("your quota on this disk is used up", "remove files of yours there, then run the command again"),
    errno.EACCES: ("permission denied", "check who owns it and its folder (ls -l), or run as that user"),
    errno.EPERM: ("this is not permitted", "check who owns it and its folder (ls -l), or run as that user"),
    errno.EROFS: ("the disk can only be read", "copy the project to a folder that may be written"),
    errno.EMFILE: ("too many files are open", "raise the limit (ulimit -n 4096), or lower runtime.num_workers"),
    errno.ENFILE: ("too many files are open on this machine", "end other programs, or lower runtime.num_workers"),
    errno.ENAMETOOLONG: ("this path is too long for the disk", "shorten the name, or move the project higher up"),
    errno.EIO: ("the disk reports a fault", "check the disk or the cable; copy the files elsewhere"),
    errno.ESTALE: ("the network disk lost this file", "mount it again, then run the command again"),
    errno.ENOLCK: ("this disk has no locks", "move the project to a local disk"),
    errno.EFBIG: ("this file is larger than the disk or the limit allows", "raise the limit (ulimit -f), or use "
                  "another disk"),
    errno.EAGAIN: ("no further process or thread may be started", "lower runtime.num_workers, or raise ulimit -u"),
    errno.EOPNOTSUPP: ("this disk has no locks", "move the project to a local disk"),
    errno.ENOMEM: ("the memory of this machine is full", _MEMORY),
    errno.ENOENT: ("no such file or folder", "check the path; what a stage writes is made by: dvc repro"),
    errno.ENOTDIR: ("a part of this path is a file, not a folder", "check the path"),
    errno.EISDIR: ("this is a folder, not a file", "check the path"),
    errno.EEXIST: ("this exists already", "move it away, then run the command again"),
    errno.ELOOP: ("these links point at each other in a circle", "remove the link"),
}  # fmt: skip


def explain(error: BaseException, entry: str = "") -> CytopipeError | None:
    """What a user should read in place of an exception; None for one that nobody foresaw.

    Args:
        error: the exception; a CytopipeError is returned as it is.
        entry: the entry of params.yaml that was worked on, such as `classifiers.masks`.
    """
    if isinstance(error, CytopipeError):
        return error
    names = {kind.__name__ for kind in type(error).__mro__}
    text = str(error)
    trained = entry.startswith(("classifiers.", "segmenters."))
    words = {
        "entry": entry if trained else "the classifier or segmenter",
        "batch": f"{entry}.training.batch_size" if trained else "training.batch_size",
        "text": text.partition("\n")[0],
    }
    for known in _KNOWN:
        found = re.search(known.text, text, re.DOTALL)
        if found and any(re.fullmatch(known.kind, name) for name in names):
            groups = [group or "?" for group in found.groups() if group] or ["?"]
            return CytopipeError(known.what.format(*groups, **words), hint=known.hint.format(*groups, **words))
    if isinstance(error, OSError):
        return _of_the_system(error, words)
    return explain(error.__cause__, entry) if error.__cause__ is not None else None


def _of_the_system(error: OSError, words: dict[str, str]) -> CytopipeError:
    where = error.filename2 or error.filename
    if error.errno == errno.ENOENT and where == "git":
        return CytopipeError("git is not installed", hint="install git (apt-get install git, say)")
    what, hint = _SYSTEM.get(error.errno or 0, (error.strerror or str(error) or type(error).__name__, None))
    name = where.decode(errors="replace") if isinstance(where, bytes) else where
    return CytopipeError(what, where=None if name is None else str(name), hint=hint and hint.format(**words))


def report(error: Exception, label: str, entry: str = "") -> CytopipeError:
    """The message of an exception; the traceback of one that is no CytopipeError is kept in `paths.TRACEBACKS`.

    Args:
        error: the exception.
        label: stage or command, the name of the file.
        entry: as for `explain`.
    """
    if isinstance(error, CytopipeError):
        return error
    kept = _keep(error, label)
    if known := explain(error, entry):
        return known
    send = f"{kept} holds the traceback: send it with a report" if kept else "send the traceback with a report: --debug"
    text = " ".join(str(error).split())
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return CytopipeError(what, where=_line_of(error), hint=f"cytopipe did not foresee this. {send}")


def _keep(error: Exception, label: str) -> Path | None:
    """Write the traceback to a file of the project; None outside one, and where nothing can be written."""
    if not Path("dvc.yaml").is_file():
        return None
    file = paths.TRACEBACKS / f"{label}.txt"
    with contextlib.suppress(OSError):
        write_text(file, "".join(traceback.format_exception(error)))
        return file
    return None


def _line_of(error: Exception) -> str | None:
    """The last line of cytopipe that was run, as `training/loop.py:139`."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if file.is_relative_to(LIBRARY) and file != Path(__file__):
            return f"{file.relative_to(LIBRARY).as_posix()}:{frame.lineno}"
    return None


@contextlib.contextmanager
def messages(label: str, debug: bool, entry: str = "") -> Iterator[None]:
    """Print an error as a message on standard error and exit with status 1; with `debug`, let it pass.

    Args:
        label: the stage.
        debug: show tracebacks.
        entry: as for `explain`.
    """
    try:
        yield
    except Exception as error:
        if debug:
            raise
        print(f"error in {label}: {report(error, label, entry)}", file=sys.stderr)
        raise SystemExit(1) from None
