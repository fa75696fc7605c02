"""`cytopipe predict` on the test images of a finished project gives the probabilities that `evaluate` wrote."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from engine_projects import Finished, Project

pytestmark = [pytest.mark.pipeline, pytest.mark.timeout(900), pytest.mark.xdist_group("dvc")]
CLASSIFIERS = ("masks", "resnet-rgb", "resnet-masked")
DATA = "data/organized/tiny"


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def predict(project: Project, model: Path, images: Path, folder: Path) -> list[dict[str, str]]:
    done = subprocess.run(
        [Path(sys.executable).with_name("cytopipe"), "predict", model, images],
        cwd=folder,
        env=project.environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return read(done.stdout)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_probabilities_are_those_of_evaluate(finished: Finished, tmp_path: Path, name: str) -> None:
    """The images are in the order of `evaluate`, by id, because results depend slightly on batch composition."""
    project = finished.dvc
    expected = read((project.folder / f"results/classifiers/{name}/predictions.csv").read_text())
    organized = project.folder / DATA
    paths = {row["id"]: row["path"] for row in read((organized / "manifest.csv").read_text())}
    table = tmp_path / "test.csv"
    table.write_text("".join(f"{line}\n" for line in ("path", *(organized / paths[row["id"]] for row in expected))))
    model = shutil.copytree(project.folder / "models/classifiers" / name, tmp_path / "model")  # of no project
    found = predict(project, model, table, tmp_path)
    columns = ["predicted", *(column for column in expected[0] if column.startswith("p_"))]
    assert len(columns) > 3
    assert [[row[column] for column in columns] for row in found] == [
        [row[column] for column in columns] for row in expected
    ]


def test_the_folder_of_the_test_split_gives_the_same_but_for_the_last_digits(
    finished: Finished, tmp_path: Path
) -> None:
    project = finished.dvc
    expected = {
        row["id"]: row for row in read((project.folder / "results/classifiers/masks/predictions.csv").read_text())
    }
    found = predict(project, project.folder / "models/classifiers/masks", project.folder / DATA / "test", tmp_path)
    assert [row["image"] for row in found] == sorted(row["image"] for row in found)
    assert len(found) == len(expected)
    for row in found:
        for column, value in expected[Path(row["image"]).stem].items():
            if column.startswith("p_"):
                assert float(row[column]) == pytest.approx(float(value), abs=1e-5)
