"""SHA-256 of bytes, of a file and of a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from cytopipe.core.io.folders import list_files
from cytopipe.errors import CytopipeError

# Snakemake writes its time stamp into folders that are outputs, Python its byte code: no part of their content.
LEFTOVERS = frozenset({".snakemake_timestamp", "__pycache__"})


def sha256_bytes(data: bytes) -> str:
    """SHA-256 of `data` in 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's content in 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_tree(path: Path, sha256: Callable[[Path], str] = sha256_file) -> str:
    """SHA-256 of a file's content, or of a folder's relative paths and contents, sorted by path.

    Times, modes and empty folders do not count, nor do the files that engines and Python
    leave behind; a link counts as its target.

    Args:
        path: the file or folder.
        sha256: hashes a file; that of a `HashRecord` reads only the files that it does not know.

    Raises:
        CytopipeError: when nothing is there, or the folder holds a broken link or a special file.
    """
    path = Path(path)
    if path.is_file():
        return sha256(path)
    if not path.is_dir():
        raise CytopipeError("no such file or folder", where=path)
    digest = hashlib.sha256()
    for name in list_files(path):
        if LEFTOVERS.isdisjoint(Path(name).parts):
            digest.update(f"{name}\0{sha256(path / name)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
