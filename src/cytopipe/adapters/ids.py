"""Ids that can name files on every file system: not too long, and never two that differ only in case."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

LONGEST = 240  # bytes; file systems take 255, and the pipeline adds a suffix
_KEPT = 200  # bytes of a shortened id that are still its own


def file_ids(ids: Sequence[str]) -> list[str]:
    """Each id, or where it cannot name a file beside the others, its beginning and a hash of the whole.

    An id that stands twice stays twice: the caller refuses it.
    """
    spellings = Counter(id_.lower() for id_ in set(ids))
    return [_shortened(id_) if len(id_.encode()) > LONGEST or spellings[id_.lower()] > 1 else id_ for id_ in ids]


def _shortened(id_: str) -> str:
    digest = hashlib.sha256(id_.encode()).hexdigest()[:12]
    return f"{id_.encode()[:_KEPT].decode(errors='ignore')}-{digest}"
