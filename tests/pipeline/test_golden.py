"""The finished preset tiny beside its golden hashes, and what `cytopipe verify` says of copies of it.

`python tests/renew_baselines.py` writes the golden hashes anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from cytopipe.core.pipeline.machine import Machine
from engine_projects import GOLDEN

if TYPE_CHECKING:
    from engine_projects import Finished, Project

pytestmark = [pytest.mark.pipeline, pytest.mark.timeout(900), pytest.mark.xdist_group("dvc")]


def test_every_stage_leaves_the_facts_of_its_machine(finished: Finished) -> None:
    stages = yaml.safe_load((finished.dvc.folder / "dvc.lock").read_text())["stages"]
    for project in (finished.dvc, finished.snakemake):
        facts = [Machine.of_stage(stage, project.folder) for stage in stages]
        assert None not in facts
        assert all(one == facts[0] for one in facts)


def test_tiny_has_its_golden_hashes(finished: Finished) -> None:
    machine = Machine.of_stage("compare", finished.dvc.folder)
    assert machine
    if not machine.is_portable:
        pytest.skip(f"the golden hashes are those of x86-64 with AVX2; this is {machine.architecture}")
    verdict = finished.dvc.run("cytopipe", "verify", "--record", GOLDEN)  # prints the first stage that departs, and why
    assert f"bit-identical to {GOLDEN}" in verdict


def test_both_engines_verify_each_other(finished: Finished, tmp_path: Path) -> None:
    record = str(tmp_path / "record.json")
    finished.dvc.run("cytopipe", "verify", "--write", record)
    assert "bit-identical" in finished.snakemake.run("cytopipe", "verify", "--record", record)


def test_a_flipped_byte_is_found(dvc_copy: Project) -> None:
    dvc_copy.commit()
    assert "verify: bit-identical to HEAD" in dvc_copy.run("cytopipe", "verify")
    assert dvc_copy.run("git", "status", "--porcelain") == ""
    weights = dvc_copy.folder / "models/segmenters/unet/weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.unlink()  # it may be linked to DVC's cache
    weights.write_bytes(content)
    verdict = dvc_copy.run("cytopipe", "verify", status=1)
    assert "first other bytes at train_segmenter@unet (models/segmenters/unet)" in verdict
    assert "after 2 identical stages" in verdict
