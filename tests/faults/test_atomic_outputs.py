"""Full disks and killed processes, produced by the kernel."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cytopipe.core.io.atomic import AtomicOutputs

# Python ignores SIGXFSZ, so a write beyond the limit fails in the kernel (EFBIG) as it does on a full disk.
LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
PLAIN = LIMIT + "import numpy; numpy.save('out.npy', numpy.ones(1_000_000, 'u1'))"
BYTES = LIMIT + "from cytopipe.core.io.atomic import write_bytes; write_bytes('out.npy', b'1' * 1_000_000)"
OUTPUTS = (
    LIMIT
    + """
import numpy
from pathlib import Path
from cytopipe.core.io.atomic import AtomicOutputs
with AtomicOutputs() as outputs:
    with outputs.path(Path("out.npy")).open("wb") as file:
        numpy.save(file, numpy.ones(1_000_000, "u1"))
"""
)


def run(script: str, folder: Path) -> str:
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stderr


def test_numpy_alone_leaves_a_broken_file_on_a_full_disk(tmp_path: Path) -> None:
    assert "OSError" in run(PLAIN, tmp_path)
    assert 0 < (tmp_path / "out.npy").stat().st_size < 1_000_000


@pytest.mark.parametrize("script", [BYTES, OUTPUTS], ids=["write_bytes", "AtomicOutputs"])
@pytest.mark.parametrize("old", [None, "whole"])
def test_a_full_disk_leaves_the_old_file_or_none(script: str, old: str | None, tmp_path: Path) -> None:
    if old is not None:
        (tmp_path / "out.npy").write_text(old)
    error = run(script, tmp_path)
    assert "OSError" in error or "requested and" in error  # numpy's message for a short write
    assert {item.name: item.read_text() for item in tmp_path.iterdir()} == ({"out.npy": old} if old else {})


STAGE = """
import sys, time
from pathlib import Path
from cytopipe.core.io.atomic import AtomicOutputs

def stop():
    print("here", flush=True)
    time.sleep(60)

rename = Path.rename
def rename_but_stop_before_the_new_ones(self, target):
    if self.name == ".images.partial" and sys.argv[1] == "while renaming":
        stop()
    return rename(self, target)
Path.rename = rename_but_stop_before_the_new_ones

with AtomicOutputs() as outputs:
    images = outputs.path(Path("images"))
    images.mkdir()
    (images / "new.png").write_text("half")
    if sys.argv[1] == "while writing":
        stop()
    outputs.path(Path("manifest.csv")).write_text("new")
"""


def kill(moment: str, folder: Path) -> None:
    (folder / "images").mkdir()
    (folder / "images" / "old.png").write_text("old")
    (folder / "manifest.csv").write_text("old")
    command = [sys.executable, "-c", STAGE, moment]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as stage:
        assert stage.stdout is not None
        assert stage.stdout.readline() == "here\n"
        stage.kill()


def tree(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


OLD = {"images/old.png": "old", "manifest.csv": "old"}


def test_kill_9_while_writing_leaves_the_old_outputs_whole(tmp_path: Path) -> None:
    kill("while writing", tmp_path)
    assert tree(tmp_path) == OLD | {".images.partial/new.png": "half"}


def test_kill_9_while_renaming_never_leaves_an_old_manifest_beside_new_data(tmp_path: Path) -> None:
    kill("while renaming", tmp_path)
    assert not (tmp_path / "manifest.csv").exists()


@pytest.mark.parametrize("moment", ["while writing", "while renaming"])
def test_the_run_after_a_kill_ends_clean(moment: str, tmp_path: Path) -> None:
    kill(moment, tmp_path)
    with AtomicOutputs() as outputs:
        images, manifest = outputs.path(tmp_path / "images"), outputs.path(tmp_path / "manifest.csv")
        assert tree(tmp_path) == OLD
        images.mkdir()
        (images / "new.png").write_text("new")
        manifest.write_text("new")
    assert tree(tmp_path) == {"images/new.png": "new", "manifest.csv": "new"}


@pytest.mark.parametrize("moment", ["while writing", "while renaming"])
def test_a_run_that_fails_after_a_kill_leaves_the_old_outputs(moment: str, tmp_path: Path) -> None:
    kill(moment, tmp_path)
    with pytest.raises(RuntimeError), AtomicOutputs() as outputs:
        outputs.path(tmp_path / "images").mkdir()
        outputs.path(tmp_path / "manifest.csv").touch()
        raise RuntimeError
    assert tree(tmp_path) == OLD
