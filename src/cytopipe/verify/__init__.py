"""Does what lies here agree with a record? Nothing is run, nothing but DVC's cache of hashes is written.

The record is the dvc.lock of a git revision, or a file that `write_record` wrote. The files here are hashed by DVC, so
that it does not matter which engine made them. Stages are compared in the order of the DAG:

- `same`: every output has the recorded bytes;
- `differs`: an output has other bytes although the parameters are those of the record. The first such stage is where
  this run departs; its code, its inputs from outside and the facts of both machines say why;
- `other parameters`: it, or a stage before it, was given parameters that the record does not have, so that its bytes
  answer another question;
- `new`: the record does not have this stage;
- `missing`: its outputs are not here.

Bytes are promised where `runtime.cpu` is portable, on every x86-64 processor with AVX2, and where it is native, on
machines with the same facts; in both cases with the same packages and threads (`promise`). Where they are not promised,
a run that departs still agrees with the record as long as every number in its metrics.json is within a tolerance.
"""

from __future__ import annotations

from pathlib import Path

from cytopipe.core.params import load_params
from cytopipe.paths import PARAMS
from cytopipe.verify.compare import StageCheck, compare
from cytopipe.verify.present import Present
from cytopipe.verify.record import Record, of_file, of_revision, write_record
from cytopipe.verify.table import to_json, to_table
from cytopipe.verify.verdict import Verdict, judge

__all__ = [
    "Present",
    "Record",
    "StageCheck",
    "Verdict",
    "compare",
    "judge",
    "of_file",
    "of_revision",
    "to_json",
    "to_table",
    "verify",
    "write_record",
]


def verify(root: Path, rev: str = "HEAD", file: Path | None = None, tolerance: float | None = None) -> Verdict:
    """Compare what lies in `root` with a record.

    Args:
        root: root folder of the project.
        rev: git revision whose dvc.lock is the record.
        file: a record that `write_record` wrote, to compare with instead.
        tolerance: accepted absolute change of a metric; by default that of each metric in the registry.

    Raises:
        CytopipeError: there is no such revision or file, params.yaml is invalid, or this is no project of DVC.
    """
    load_params(root / PARAMS)
    record = of_file(file) if file else of_revision(root, rev)
    return judge(Present(root), record, tolerance)
