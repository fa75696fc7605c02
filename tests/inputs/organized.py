"""What becomes of a stranger's folder or archive: `fetch` and `organize` in this process, and what they gave."""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cytopipe.core.params import SPLITS, Dataset
from cytopipe.data.manifest import Row
from cytopipe.data.organize import organize
from cytopipe.errors import CytopipeError
from cytopipe.sources.fetch import fetch

SPLIT = {"kind": "random", "val": 0.25, "test": 0.25, "seed": 0}  # asks for no groups, so that few images will do


@dataclass(frozen=True)
class Outcome:
    """What organize gave.

    Attributes:
        rows, summary: as `organize` returns them; none of an input that is refused.
        refusal: the error's whole text; empty for an input that is taken.
        log: what the two stages logged, at INFO and above.
        folder: the organized dataset.
    """

    rows: list[Row]
    summary: dict[str, Any]
    refusal: str
    log: str
    folder: Path

    @property
    def classes(self) -> dict[str, int]:
        """Images of each class."""
        return dict(sorted(Counter(row.label for row in self.rows).items()))

    @property
    def splits(self) -> dict[str, int]:
        """Images of each split."""
        return dict(sorted(Counter(row.split for row in self.rows).items()))

    @property
    def groups(self) -> dict[str, int]:
        """Images of each group."""
        return dict(sorted(Counter(row.group for row in self.rows).items()))

    @property
    def sources(self) -> list[str]:
        """The publisher's files that became images, sorted."""
        return sorted(row.source for row in self.rows)


def organized(source: Path, work: Path, caplog: pytest.LogCaptureFixture, /, **changes: Any) -> Outcome:
    """Take a folder or an archive through `download` and `organize`.

    Args:
        source: the folder or archive.
        work: an empty folder, or one that does not exist yet.
        caplog: pytest's fixture.
        changes: keys of the dataset (`split`, `bad_images`, ...) that differ from the plainest; `options` of `folder`;
            `source` where it has more keys than the path.
    """
    caplog.set_level(logging.INFO)
    caplog.clear()
    plain: dict[str, Any] = {
        "adapter": "folder",
        "source": {"kind": "archive", "path": str(source)},
        "options": {},
        "exclude_classes": [],
        "bad_images": "error",
        "split": SPLIT,
        "segmenter": "otsu",
        "image_size": 32,
    }
    shutil.rmtree(work, ignore_errors=True)
    raw, folder = work / "raw", work / "organized"
    folders = {name: folder / name for name in (*SPLITS, "masks")}
    for path in (raw, *folders.values()):
        path.mkdir(parents=True)
    rows: list[Row] = []
    summary: dict[str, Any] = {}
    refusal = ""
    try:
        dataset = Dataset.model_validate(plain | changes)
        left_behind = fetch(dataset.source, raw, dataset="mine", cache=work / "downloads")
        rows, summary = organize("mine", dataset, raw, folders, _passed, left_behind=left_behind)
    except CytopipeError as error:
        refusal = str(error)
    return Outcome(rows, summary, refusal, caplog.text, folder)


def _passed(items: Iterable[Any], total: int) -> Iterable[Any]:
    return items
