"""Files that are whole or absent: atomic writes, hashes, locks, folders and safe archives."""

from __future__ import annotations

from cytopipe.files.archives import archive_format, extract_archive
from cytopipe.files.atomic import AtomicOutputs, round_floats, write_bytes, write_json, write_text
from cytopipe.files.hashing import hash_tree, sha256_bytes, sha256_file
from cytopipe.files.locks import StageLock
from cytopipe.files.trees import Progress, copy_tree, is_junk, list_files

__all__ = [
    "AtomicOutputs",
    "Progress",
    "StageLock",
    "archive_format",
    "copy_tree",
    "extract_archive",
    "hash_tree",
    "is_junk",
    "list_files",
    "round_floats",
    "sha256_bytes",
    "sha256_file",
    "write_bytes",
    "write_json",
    "write_text",
]
