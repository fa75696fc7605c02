from __future__ import annotations

import pytest

from cytopipe.core.io.litter import THUMBNAILS, conflicting_copies, find_litter, is_junk, litter_reason, without_litter


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("x/__MACOSX/a.png", "litter of macOS"),
        ("A/THUMBS.DB", "litter of Windows"),
        ("a/@eaDir/b.png/SYNOPHOTO_THUMB_M.jpg", "litter of a network drive"),
        (".ipynb_checkpoints/a-checkpoint.png", "litter of Jupyter"),
        ("a/.venv/b.png", "hidden files and folders (their names begin with a dot)"),
        ("a/~$b.xlsx", "locks and backups of editors"),
        ("a/b.png.crdownload", "downloads that were not finished"),
        ("a/.b.png.icloud", "files that are in a cloud alone, not on this computer"),
    ],
)
def test_litter_has_a_reason(path: str, reason: str) -> None:
    assert litter_reason(path) == reason
    assert is_junk(path)


@pytest.mark.parametrize(
    "path", ["a/b.png", "./a.png", "part/a.png", "thumbs/a.png", "a.part1.png", "_a/b", "a.tmp.png"]
)
def test_what_only_looks_like_litter_is_none(path: str) -> None:
    assert litter_reason(path) is None


def test_thumbnails_are_those_of_images_that_are_there() -> None:
    names = ["a/1.tif", "a/thumbs/1.jpg", "a/thumbs/2.jpg", "b/.x"]
    assert find_litter(names)["a/thumbs/1.jpg"] == THUMBNAILS
    assert without_litter(names) == ["a/1.tif", "a/thumbs/2.jpg"]


def test_conflicting_copies_are_known_by_the_names_that_programs_give() -> None:
    names = ["a.png", "a (Anna's conflicted copy 2024-05-01).png", "a.sync-conflict-20240501-1.png", "a (1).png"]
    assert conflicting_copies(names) == names[1:3]
