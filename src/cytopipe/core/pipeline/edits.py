"""Edits of parameters and code while a stage runs, which DVC would record as if the stage had run with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cytopipe.core.io.hash_record import HashRecord
from cytopipe.core.io.hashing import hash_tree
from cytopipe.core.params import load_params
from cytopipe.core.params.found import as_named
from cytopipe.core.pipeline.description import CODE, Description, Values
from cytopipe.errors import CytopipeError
from cytopipe.paths import HASHES


class Watch:
    """The parameters and the code that a stage depends on, as they were when it began.

    DVC hashes them when the stage has ended. After an edit in between, dvc.lock would name the new values beside
    outputs of the old ones, and nothing would ever run the stage again. Snakemake records what it began with.

    Args:
        description: of all stages.
        name: name of the stage.
        item: entry of its section; empty for a stage that runs once.
        file: params.yaml.
        values: what the stage read from it, as plain values with `pretrained` of searches by name.
    """

    def __init__(self, description: Description, name: str, item: str, file: Path, values: Values) -> None:
        stage = description.stages[name]
        self._file = file
        self._params = {key: _look_up(values, key) for key in stage.resolve(stage.params, item, values)}
        self._deps = [dep for dep in stage.deps if dep.startswith(CODE)]
        self._code = self._hashes()

    def refuse_edits(self) -> None:
        """End the stage if anything was edited; its checkpoints stay.

        Raises:
            CytopipeError: names what was edited first.
        """
        if edited := next(self._edited(), None):
            raise CytopipeError(
                "this was edited while the stage ran: its outputs are not kept, because DVC would take them for those "
                "of the edit",
                where=edited,
                hint="run the same command again; if you undo the edit first, a training goes on after its last epoch",
            )

    def _edited(self) -> Iterator[str]:
        after = as_named(load_params(self._file).model_dump(mode="json"))
        yield from (f"{self._file}: {key}" for key, value in self._params.items() if _look_up(after, key) != value)
        yield from (dep for dep, digest in self._hashes().items() if self._code[dep] != digest)

    def _hashes(self) -> dict[str, str]:
        with HashRecord(HASHES) as record:
            return {dep: hash_tree(Path(dep), record.sha256) for dep in self._deps if Path(dep).exists()}


def _look_up(values: Any, key: str) -> Any:
    """The value of a dotted key; None where there is none."""
    for part in key.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values
