"""How large the files of a model folder may be, and the network that it describes: checked before memory is taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG

from cytopipe.core.io.memory import GIB, bounded_memory
from cytopipe.errors import CytopipeError
from cytopipe.results.model_spec import LARGEST, RESTORE, SPEC

WEIGHTS_BYTES = 8 * GIB  # the largest classifiers of timm take about 4 GiB
OTHER_BYTES = LARGEST  # model.json, checksums, examples
MOST_FILES = 1000  # a class may have an example image
NETWORK_BYTES = GIB  # of a network beside its weights: buffers, and what building it takes for a moment


def read_bounded(path: Path) -> bytes:
    """Contents of a regular file of a model folder. Links are followed, because DVC may link to its cache.

    Raises:
        CytopipeError: it is missing, no file, unreadable, or larger than a file of its kind is.
    """
    try:
        found = path.stat()
        if not S_ISREG(found.st_mode):
            raise CytopipeError("this is no file", where=path, hint=RESTORE)  # a pipe or device may never end
        most = WEIGHTS_BYTES if path.suffix == ".safetensors" else OTHER_BYTES
        if found.st_size > most:
            raise CytopipeError(
                f"the file has {found.st_size:,} bytes, more than the {most:,} that it may have",
                where=path,
                hint=RESTORE,
            )
        return path.read_bytes()
    except (OSError, ValueError, MemoryError) as error:  # ValueError: a null byte in the name
        reason = getattr(error, "strerror", None) or error or "it does not fit into memory"
        raise CytopipeError(f"cannot be read ({reason})", where=path, hint=RESTORE) from None


@contextmanager
def bounded_network(folder: Path, weights: int) -> Iterator[None]:
    """Build the network that a folder's model.json describes, in about the memory that its weights take.

    Args:
        folder: of the model.
        weights: bytes of its weights.

    Raises:
        CytopipeError: the network takes far more, such as one whose arguments ask for a billion channels.
    """
    try:
        with bounded_memory(2 * weights + NETWORK_BYTES):
            yield
    except (MemoryError, RuntimeError, TypeError, OverflowError) as error:
        known = ("alloc", "verflow", "Storage size", "exceeds", "too large", "numel")
        if isinstance(error, RuntimeError | TypeError) and not any(word in str(error) for word in known):
            raise
        raise CytopipeError(
            f"describes a network that takes far more memory than its weights of {weights:,} bytes",
            where=folder / SPEC,
            hint=RESTORE,
        ) from None
