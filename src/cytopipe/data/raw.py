"""The raw data's manifest: every file of a publisher with its size and hash. Raw data is never changed."""

from __future__ import annotations

import csv
from pathlib import Path

from cytopipe.errors import CytopipeError
from cytopipe.io.hashing import sha256_file


def write_raw_manifest(path: Path, files: Path) -> int:
    """List every file below `files`, sorted by path: path, bytes, sha256.

    Returns:
        The number of files.

    Raises:
        CytopipeError: when there is none.
    """
    found = sorted((file.relative_to(files).as_posix(), file) for file in files.rglob("*") if file.is_file())
    if not found:
        raise CytopipeError("the source holds no files", where=files)
    with path.open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(("path", "bytes", "sha256"))
        writer.writerows((name, file.stat().st_size, sha256_file(file)) for name, file in found)
    return len(found)
