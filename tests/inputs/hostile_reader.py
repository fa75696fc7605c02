"""Reads hostile files in a process of its own: lines `kind TAB number TAB path` on standard input, JSON lines back.

The process may hold LIMIT bytes beyond what its imports take: a reader that believes a file's header fails here.
"""

from __future__ import annotations

import json
import logging
import resource
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from cytopipe.errors import CytopipeError

LIMIT = 1 << 30
LONGEST_S = 60  # for one file, after which it hangs


def _hangs(number: int, frame: FrameType | None) -> None:
    raise TimeoutError("it hangs")


def _archive(path: Path) -> None:
    from cytopipe.core.io.archives import extract_archive

    target = Path("unpacked") / path.parent.name / path.name
    target.mkdir(parents=True)
    extract_archive(path, target)


def _params(path: Path) -> None:
    from cytopipe.core.params import load_params

    load_params(path)


def _phantom(path: Path) -> None:
    from cytopipe_phantoms.spec import Phantom, read_table

    read_table(path, Phantom)


def _recipe(path: Path) -> None:
    from cytopipe.sources.recipe import load_recipe

    load_recipe(path)


def _table(path: Path) -> None:
    from cytopipe.adapters.tables import read_table

    list(read_table(path, ("image", "label")))


def _image(path: Path) -> None:
    from cytopipe.data.imaging.decode import read_rgb, read_values

    try:
        read_rgb(path)
    finally:
        read_values(path)


def _field(path: Path) -> None:
    from cytopipe.data.imaging.fields import open_field

    with open_field(path) as field:
        field.read(0, 0, 16, 16)


def _weights(path: Path) -> None:
    from cytopipe.models.pretrained import read_tensors

    read_tensors(path)


def _spec(path: Path) -> None:
    from cytopipe.results.model_spec import ModelSpec

    ModelSpec.read(path)


def _model(path: Path) -> None:
    from cytopipe.models.folder import load_model

    load_model(path)


READERS: dict[str, Callable[[Path], None]] = {
    "archive": _archive, "params": _params, "phantom": _phantom, "recipe": _recipe, "table": _table, "image": _image,
    "field": _field, "weights": _weights, "spec": _spec, "model": _model,
}  # fmt: skip


def _data() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))


def main() -> None:
    """Read each file, and say how it ended: read, refused, or the traceback."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    asked = [line.rstrip("\n").split("\t") for line in sys.stdin]
    # What imports take is not the file's doing.
    import openpyxl  # noqa: F401
    import PIL.Image  # noqa: F401
    import py7zr  # noqa: F401

    signal.signal(signal.SIGALRM, _hangs)
    resource.setrlimit(resource.RLIMIT_DATA, (_data() + LIMIT, _data() + LIMIT))
    for reader, number, path in asked:
        print(f"{reader} {path}", file=sys.stderr, flush=True)  # the last one, where the process is killed
        signal.alarm(LONGEST_S)
        try:
            READERS[reader](Path(path))
            ended = "read"
        except CytopipeError as refused:
            ended = f"refused: {refused}"
        except BaseException:
            ended = traceback.format_exc()
        signal.alarm(0)
        print(json.dumps([int(number), ended]), flush=True)


if __name__ == "__main__":
    main()
