"""Hashes of the inputs of a stage, for MLflow tags and the keys of checkpoints."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from cytopipe.core.io.hash_record import HashRecord
from cytopipe.core.io.hashing import hash_tree, sha256_bytes
from cytopipe.core.params import Params
from cytopipe.core.params.found import as_named
from cytopipe.core.pipeline.description import Description
from cytopipe.core.pipeline.project import missing_source
from cytopipe.errors import CytopipeError
from cytopipe.paths import CORRECTIONS, HASHES, MANIFEST


def input_hashes(
    description: Description, name: str, item: str, params: Params, closed: Sequence[str] = ()
) -> dict[str, str]:
    """SHA-256 of every input of a stage, by path.

    Args:
        description: of all stages.
        name: name of the stage.
        item: entry of its section; empty for a stage that runs once.
        params: all of params.yaml.
        closed: names of files that may not be opened; they are left out.

    Raises:
        CytopipeError: an input is missing.
    """
    values = as_named(params.model_dump(mode="json"))
    label = f"{name}@{item}" if item else name
    return hash_inputs(description.inputs(name, item, values), description.outputs(values), label, closed)


def hash_inputs(
    inputs: Mapping[str, Sequence[str]], outputs: Collection[str], label: str, closed: Collection[str] = ()
) -> dict[str, str]:
    """SHA-256 of every input, by path.

    For a folder with a manifest that a stage wrote, only the files next to the manifest are hashed, one by one: the
    manifest contains the hashes of the images below, so that they need not be read again. Nor is a file whose hash is
    known from an earlier stage.

    Args:
        inputs: the parts of each dependency, see `Description.inputs`; several parts get one common hash.
        outputs: all outputs of stages.
        label: `stage` or `stage@item`, for the error message.
        closed: names of files that may not be opened; they are left out.

    Raises:
        CytopipeError: an input is missing.
    """
    found: dict[str, str] = {}
    with HashRecord(HASHES) as record:
        for dependency, parts in inputs.items():
            hashes = {
                path: one for part in parts for path, one in _hash_part(part, outputs, label, record, closed).items()
            }
            whole = parts == [dependency]
            found |= hashes if whole else {dependency: sha256_bytes(repr(sorted(hashes.items())).encode())}
    return found


def _hash_part(
    part: str, outputs: Collection[str], label: str, record: HashRecord, closed: Collection[str]
) -> dict[str, str]:
    path = Path(part)
    if not path.exists():
        if path == CORRECTIONS:
            return {}  # a folder of tables that nobody needs; git would not keep it empty
        stage, _, item = label.partition("@")
        if stage == "download":
            raise missing_source(path, f"datasets.{item}.source.path")
        if path.parts[0] not in {"stages", "workflow", *(Path(output).parts[0] for output in outputs)}:
            raise missing_source(path, f"pretrained, of {item}")
        raise CytopipeError("this input is missing", where=path, hint=f"run the stages before it: dvc repro {label}")
    if part in outputs and (path / MANIFEST).is_file():
        return {
            file.as_posix(): record.sha256(file)
            for file in sorted(path.iterdir())
            if file.is_file() and not file.name.startswith(".") and file.name not in closed
        }
    return {part: hash_tree(path, record.sha256)}
