"""Real images in layouts that no adapter knows: inspected, and read with the options that the inspection proposes.

The same images, labels, masks and groups go in as by the adapters, so that the same recipe gives the same numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

from cytopipe.adapters.base import Sample
from cytopipe.adapters.registry import ADAPTERS
from cytopipe.core.io.archives import extract_archive
from cytopipe.inspection.look import look
from cytopipe.inspection.seen import Fit
from files_of_people import table
from organized import Outcome, organized

pytestmark = pytest.mark.realdata
EVERY = 17  # of the images, so that a test takes seconds


@pytest.fixture
def known(request: pytest.FixtureRequest, datasets_folder: Path, tmp_path: Path) -> list[Sample]:
    """The samples of an archive by its own adapter."""
    name, archive = request.param
    if not (datasets_folder / archive).is_file():
        pytest.skip(f"no {datasets_folder / archive}")
    extract_archive(datasets_folder / archive, tmp_path / "raw")
    return ADAPTERS[name].read(tmp_path / "raw", {}, "options")


def link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.hardlink_to(source)


def fit_of(folder: Path) -> Fit:
    fit = look(folder).fit
    assert not fit.unclear
    return fit


@pytest.mark.parametrize("known", [("hep2", "hep2_icpr2014.zip")], indirect=True, ids=["hep2"])
def test_hep2_as_class_folders_in_training_and_testing(
    known: list[Sample], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = known[::EVERY]
    for sample in chosen:
        part = "Testing" if sample.split == "test" else "Training"
        link(sample.image, tmp_path / "cells" / part / sample.label / sample.image.name)
    fit = fit_of(tmp_path / "cells")
    assert (fit.options["folders"], fit.split) == ("split/class", "published")
    found = taken(tmp_path, caplog, fit)
    assert found.refusal == ""
    wanted = {(sample.image.name, sample.label, sample.split == "test") for sample in chosen}
    assert {(Path(row.source).name, row.label, row.split == "test") for row in found.rows} == wanted


@pytest.mark.parametrize("known", [("wbc", "wbc_dataset1.zip")], indirect=True, ids=["wbc"])
def test_wbc_with_the_mask_beside_the_image(
    known: list[Sample], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = [sample for sample in known if sample.label != "basophil"]  # of which there is one
    for sample in chosen:
        for suffix in (".bmp", ".png"):
            link(sample.image.with_suffix(suffix), tmp_path / "cells" / f"{sample.image.stem}{suffix}")
    rows = [(int(sample.image.stem), sample.label) for sample in chosen]  # as Excel writes them: 1, not 001
    table(tmp_path / "cells/labels.csv", [("image ID", "class label"), *rows])
    fit = fit_of(tmp_path / "cells")
    found = taken(tmp_path, caplog, fit)
    assert found.refusal == ""
    assert found.summary["masks"] == len(chosen)
    assert {(row.id, row.label) for row in found.rows} == {(sample.image.stem, sample.label) for sample in chosen}
    own = organized(tmp_path / "raw", tmp_path / "own", caplog, adapter="wbc", exclude_classes=["basophil"])
    hashes = {Path(row.source).stem: (row.sha256, row.mask_sha256) for row in own.rows}
    assert {Path(row.source).stem: (row.sha256, row.mask_sha256) for row in found.rows} == hashes


@pytest.mark.parametrize("known", [("malaria", "nlm_malaria_50px_grey.zip")], indirect=True, ids=["malaria"])
def test_malaria_with_a_table_of_semicolons_and_folders_of_patients(
    known: list[Sample], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = some_of_each_group(known, 4)
    for sample in chosen:
        link(sample.image, tmp_path / "cells/patients" / sample.group / sample.image.name)
    rows = [(sample.image.name, sample.label) for sample in chosen]
    table(tmp_path / "cells/diagnoses.csv", [("Datei", "Diagnose"), *rows], separator=";")
    fit = fit_of(tmp_path / "cells")
    assert fit.split == "grouped"
    found = taken(tmp_path, caplog, fit)
    assert found.refusal == ""
    wanted = {(sample.image.name, sample.label, sample.group) for sample in chosen}
    assert {(Path(row.source).name, row.label, row.group) for row in found.rows} == wanted


def some_of_each_group(samples: Sequence[Sample], most: int) -> list[Sample]:
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.group].append(sample)
    return [sample for group in groups.values() for sample in group[:: max(1, len(group) // most)]]


def taken(tmp_path: Path, caplog: pytest.LogCaptureFixture, fit: Fit) -> Outcome:
    split = {"kind": fit.split, "torn_groups": "report", "val": 0.2, "test": 0.2, "seed": 0}
    return organized(tmp_path / "cells", tmp_path / "work", caplog, options=fit.options, split=split)
