"""The hashes of what each stage wrote, so that a file that changed since is named before another stage reads it.

Snakemake does not look into folders, and a script started by hand looks at nothing: a flipped bit in an array would be
learnt. DVC hashes every output itself; what it vouches for is taken, so that `dvc checkout`, `pull` and `commit` may
replace what a stage wrote.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from cytopipe.core.io.atomic import write_text
from cytopipe.core.io.folders import list_files
from cytopipe.core.io.hash_record import HashRecord
from cytopipe.core.io.hashing import LEFTOVERS
from cytopipe.errors import CytopipeError
from cytopipe.paths import HASHES, MANIFEST, WRITTEN

_LOCK, _CACHE = Path("dvc.lock"), Path(".dvc/cache/files/md5")
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
    with HashRecord(HASHES) as record:
        for file in sorted(WRITTEN.glob("*.sha256")):
            known = [line.split("  ", 1) for line in file.read_text(encoding="utf-8").splitlines()]
            ours = [(Path(path), digest) for digest, path in known if _is_part(path, parts)]
            wrong = [path for path, digest in ours if path.name not in closed and _is_other(path, digest, record)]
            if wrong and (wrong := [path for path in wrong if not _dvc_vouches(path)]):
                raise _fault(wrong, file.stem)


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
        if LEFTOVERS.isdisjoint(Path(name).parts) and "\n" not in name:
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


def _is_part(path: str, parts: Collection[str]) -> bool:
    return path in parts or any(parent.as_posix() in parts for parent in Path(path).parents)


def _is_other(path: Path, digest: str, record: HashRecord) -> bool:
    try:
        return record.sha256(path) != digest
    except FileNotFoundError:
        return True


def _dvc_vouches(path: Path) -> bool:
    """Whether the file has the bytes that dvc.lock names, alone or in the list of its folder."""
    try:
        stages: dict[str, Any] = yaml.load(_LOCK.read_text(encoding="utf-8"), _Loader)["stages"]
        digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    except (OSError, TypeError, KeyError, yaml.YAMLError):
        return False
    for out in (out for stage in stages.values() for out in stage.get("outs", ())):
        if path == Path(out["path"]):
            return bool(out["md5"] == digest)
        if path.is_relative_to(out["path"]):
            return _in_folder(path.relative_to(out["path"]).as_posix(), digest, out["md5"])
    return False


def _in_folder(name: str, digest: str, folder: str) -> bool:
    with contextlib.suppress(OSError, ValueError):
        listing = json.loads((_CACHE / folder[:2] / folder[2:]).read_bytes())
        return {"md5": digest, "relpath": name} in listing
    return False
