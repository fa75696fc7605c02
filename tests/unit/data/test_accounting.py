from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from cytopipe.adapters.base import Sample
from cytopipe.data.accounting import account, refuse_pointers
from cytopipe.errors import CytopipeError


def read(path: Path, size: tuple[int, int]) -> np.ndarray:
    return np.zeros(size, np.uint8)


def sample(raw: Path, name: str, label: str = "a") -> Sample:
    for path in (raw / f"{name}.png", raw / f"{name}_m.png", raw / f"{name}.dat"):
        path.write_text("x")
    mask = partial(read, raw / f"{name}_m.png")
    return Sample(name, raw / f"{name}.png", label, name, mask=mask, beside=(raw / f"{name}.dat",))


def test_every_file_is_used_or_counted_once(tmp_path: Path) -> None:
    kept, refused, excluded = (sample(tmp_path, name) for name in ("k", "r", "e"))
    for name in ("t.csv", "u.csv", "stray.png", "Thumbs.db"):
        (tmp_path / name).write_text("x")
    files = account(tmp_path, [kept, refused, excluded], [kept, refused], [kept], [tmp_path / "t.csv"])
    assert (files.images, files.masks, files.tables) == (1, 2, 1)
    assert files.left_out.counts == {
        "images of excluded classes (exclude_classes)": 1,
        "images that cannot be used (bad_images: skip)": 1,
        "masks of images that are left out": 4,
        "images outside the layout that is read, or without a row in the table": 1,
        "files ending in .csv": 1,
        "litter of Windows": 1,
    }
    assert files.images + files.masks + files.tables + files.left_out.total == 13


def test_a_file_may_be_named_by_a_detour(tmp_path: Path) -> None:
    one = sample(tmp_path, "k")
    (tmp_path / "t.csv").write_text("x")
    files = account(tmp_path, [one], [one], [one], [tmp_path / "images" / ".." / "t.csv"])
    assert (files.tables, files.left_out.total) == (1, 0)


def test_a_mask_that_is_not_there_is_not_counted(tmp_path: Path) -> None:
    one = sample(tmp_path, "k")
    (tmp_path / "k_m.png").unlink()
    assert account(tmp_path, [one], [one], [one], []).masks == 1


def test_pointers_among_tables_are_refused_too(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n")
    with pytest.raises(CytopipeError, match=r"1 of 1 images and tables are pointers of Git LFS.*first labels\.csv"):
        refuse_pointers(tmp_path)
