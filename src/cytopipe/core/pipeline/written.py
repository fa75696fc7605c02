"""The hashes of what each stage wrote, so that a file that changed since is named before another stage reads it.

Snakemake does not look into folders, and a script started by hand looks at nothing: a flipped bit in an array would be
learnt. DVC hashes every output itself; what it vouches for is taken, so that `dvc checkout`, `pull`, `commit` and the
run cache of `dvc repro` may replace what a stage wrote.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from cytopipe.core.io.atomic import write_text
from cytopipe.core.io.folders import list_files
from cytopipe.core.io.hash_record import HashRecord
from cytopipe.core.io.hashing import LEFTOVERS
from cytopipe.errors import CytopipeError
from cytopipe.paths import HASHES, MANIFEST, WRITTEN

_LOCK, _DVC = Path("dvc.lock"), Path(".dvc")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def note_written(label: str, outputs: Iterable[str]) -> None:
    """Keep the SHA-256 of every file of a stage's outputs, as `sha256sum --check` reads it.

    What a manifest gives the hash of is not read again. A disk that is full forgets the hashes.

    Args:
        label: `stage` or `stage@item`.
        outputs: files and folders that it has just written.
    """
    there = [path for path in map(Path, outputs) if path.exists()]
    with HashRecord(HASHES) as record, contextlib.suppress(OSError):
        lines = [f"{digest}  {path}\n" for output in there for path, digest in _hashes(output, record)]
        write_text(_file(label), "".join(lines))


def forget_written(label: str) -> None:
    """Forget the hashes of a stage whose outputs are about to be replaced."""
    _file(label).unlink(missing_ok=True)


def check_unchanged(inputs: Mapping[str, Sequence[str]], closed: Collection[str] = ()) -> None:
    """Compare what a stage reads with what the stages before it wrote; files whose hash is known are not read.

    An input that is missing as a whole is left to `input_hashes`, which names the command that makes it.

    Args:
        inputs: the parts of each dependency, see `Description.inputs`.
        closed: names of files that may not be opened.

    Raises:
        CytopipeError: a file is missing, or has other bytes, and DVC does not vouch for these.
    """
    parts = {part for several in inputs.values() for part in several if Path(part).exists()}
    below, dvc = tuple(f"{part}/" for part in parts), _DvcRecord()
    with HashRecord(HASHES) as record:
        for file in sorted(WRITTEN.glob("*.sha256")):
            known = ((path, digest) for path, digest in _read(file) if path in parts or path.startswith(below))
            ours = [(Path(path), digest) for path, digest in known]
            wrong = [path for path, digest in ours if path.name not in closed and _is_other(path, digest, record)]
            if wrong := [path for path in wrong if not dvc.vouches(path)]:
                raise _fault(wrong, file.stem)


def _read(file: Path) -> Iterator[tuple[str, str]]:
    """Path and SHA-256 of each file; none if the stage that wrote them ends just now, and replaces them."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    for line in text.split("\n"):
        digest, gap, path = line.partition("  ")
        if gap:
            yield path, digest


def _fault(wrong: Sequence[Path], label: str) -> CytopipeError:
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    what = "has other bytes than" if wrong[0].exists() else "is gone, which"
    return CytopipeError(
        f"this file{more} {what} {label} wrote: it was damaged, changed or deleted",
        where=wrong[0],
        hint=f"write it again: dvc repro, or snakemake --forcerun {label}; "
        f"if the change is yours, remove {_file(label)}",
    )


def _file(label: str) -> Path:
    return WRITTEN / f"{label}.sha256"


def _hashes(output: Path, record: HashRecord) -> Iterator[tuple[str, str]]:
    """Path and SHA-256 of each file of an output."""
    if output.is_file():
        yield output.as_posix(), record.sha256(output)
        return
    listed = _listed(output / MANIFEST)
    for name in list_files(output):
        if LEFTOVERS.isdisjoint(Path(name).parts) and "\n" not in name and "\r" not in name:
            yield f"{output.as_posix()}/{name}", listed.get(name) or record.sha256(output / name)


def _listed(manifest: Path) -> dict[str, str]:
    """Hashes that a manifest gives of files below its folder: of the publisher's files, of images, of their masks."""
    found: dict[str, str] = {}
    with contextlib.suppress(FileNotFoundError), manifest.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            raw = "bytes" in row
            found[f"files/{row['path']}" if raw else row["path"]] = row["sha256"]
            found[row.get("mask_path", "")] = row.get("mask_sha256", "")
    return found


def _is_other(path: Path, digest: str, record: HashRecord) -> bool:
    try:
        return record.sha256(path) != digest
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return True


class _DvcRecord:
    """What DVC says of the files of its outputs, by dvc.lock and the lists of folders in its cache."""

    def __init__(self) -> None:
        self._listed, self._is_whole = cache(self._read_list), cache(self._compare_names)

    def vouches(self, path: Path) -> bool:
        """Whether the file is as dvc.lock has it, alone or in its folder: with these bytes, or not there."""
        for out in (path, *path.parents):
            if (recorded := self._outs.get(out.as_posix())) is None:
                continue
            there = path.is_file()
            if out == path:
                return there and _md5(path) == recorded
            listed = self._listed(recorded)
            if there:
                return listed.get(path.relative_to(out).as_posix()) == _md5(path)
            return bool(listed) and path.relative_to(out).as_posix() not in listed and self._is_whole(out, recorded)
        return False

    @cached_property
    def _outs(self) -> dict[str, str]:
        """MD5 of each output, by its path."""
        try:
            stages: dict[str, Any] = yaml.load(_LOCK.read_text(encoding="utf-8"), _Loader)["stages"]
            outs = [out for stage in stages.values() for out in stage.get("outs", ())]
            return {out["path"]: out.get("md5", "") for out in outs}
        except (OSError, UnicodeDecodeError, TypeError, KeyError, AttributeError, yaml.YAMLError):
            return {}

    @cached_property
    def _cache(self) -> Path:
        """DVC's cache, which may be one that several projects share (`dvc cache dir`)."""
        from dvc.config import Config
        from dvc.exceptions import DvcException

        found = None
        with contextlib.suppress(DvcException):
            found = Config(str(_DVC.absolute())).get("cache", {}).get("dir")
        return Path(found or _DVC / "cache") / "files/md5"

    def _read_list(self, folder: str) -> dict[str, str]:
        """MD5 of each file of a folder, by its name; empty if the cache lacks the list."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            listing = json.loads((self._cache / folder[:2] / folder[2:]).read_bytes())
            return {one["relpath"]: one["md5"] for one in listing}
        return {}

    def _compare_names(self, folder: Path, recorded: str) -> bool:
        """Whether no file is missing that DVC has in the folder: else what is gone was not taken by DVC."""
        return self._listed(recorded).keys() <= set(list_files(folder))


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
