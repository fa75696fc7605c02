"""What is looked at: images that were judged unseen, cells of fields; never what is tested."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cytopipe import paths
from cytopipe.core.params import Params
from cytopipe.data.manifest import read_manifest, write_manifest
from cytopipe.errors import CytopipeError
from cytopipe.models.folds import Folds
from cytopipe.results.predictions import Predictions
from cytopipe.review.cells import cell_queue
from cytopipe.review.images import image_queue
from cytopipe.review.networks import unlike_scores
from cytopipe.review.orders import Order
from fixture_types import SaveClassifier
from made_annotations import field as annotated_field
from made_annotations import geojson
from made_models import CELLS
from made_review import BESIDE_TEST, CLASSES, HEIGHT, WIDTH

FIELD, SCREENED = Path("fields/slide.png"), Path("screened")


def test_the_most_doubtful_validation_image_comes_first(project: Params) -> None:
    queue = image_queue(project, "first", "uncertainty")
    table = Predictions.read(paths.validation("first"))
    assert queue.items[0].id == table.rows[-1].id and queue.items[0].score == pytest.approx(1, abs=1e-3)
    assert [one.score for one in queue.items] == sorted((one.score for one in queue.items), reverse=True)
    assert queue.classes == CLASSES
    mask = queue.items[0].mask((HEIGHT, WIDTH))
    assert queue.items[0].picture().shape == (HEIGHT, WIDTH, 3) and set(np.unique(mask)) == {0, 1, 2}


def test_tested_groups_are_never_offered(project: Params) -> None:
    rows = read_manifest(paths.Organized("cells").manifest)
    # Predictions out of fold cover every image, as `folds` leaves them.
    shares = np.full((len(rows), 3), 1 / 3)
    table = Predictions.of_images(CLASSES, [(row.id, row.group, row.label) for row in rows], shares)
    table.write(paths.validation("first"))
    queue = image_queue(project, "first", "uncertainty")
    offered = {one.id for one in queue.items}
    tested = {row.group for row in rows if row.split == "test"}
    assert offered == {row.id for row in rows if row.group not in tested}
    assert BESIDE_TEST not in offered and queue.refused == 7  # six test images, and one beside them


def test_the_file_of_several_cells_stands_for_none_of_them(project: Params) -> None:
    manifest = paths.Organized("cells").manifest
    rows = read_manifest(manifest)
    write_manifest(manifest, [replace(row, source="field.png") if row.split == "val" else row for row in rows])
    aliases = image_queue(project, "first", "uncertainty").aliases
    assert aliases == {row.source: row.id for row in rows if row.split != "val"}


def test_the_most_suspicious_label_comes_first(project: Params) -> None:
    queue = image_queue(project, "first", "suspicion")
    assert [one.score for one in queue.items] == pytest.approx(
        sorted((1 - one.probabilities[one.label] for one in queue.items), reverse=True)
    )
    with pytest.raises(CytopipeError, match="no labels to doubt"):
        cell_queue(project, "cells", [FIELD], SCREENED, "suspicion")


def test_classifiers_of_one_dataset_disagree(project: Params) -> None:
    queue = image_queue(project, "first", "disagreement")
    assert queue.title.endswith("the disagreement of first, second")
    assert queue.items[-1].score < queue.items[0].score


@pytest.mark.parametrize(
    ("name", "order", "message"),
    [
        ("third", "uncertainty", "there is no classifier 'third'"),
        ("second", "uncertainty", "'second' has not been trained"),
        ("first", "disagreement", "no other classifier of 'cells' judged"),
    ],
)
def test_what_is_missing_is_named(project: Params, name: str, order: Order, message: str) -> None:
    paths.validation("second").unlink()
    with pytest.raises(CytopipeError, match=message):
        image_queue(project, name, order)


def test_a_project_whose_images_are_all_tested_has_nothing_to_review(project: Params) -> None:
    rows = read_manifest(paths.Organized("cells").manifest)
    table = Predictions.read(paths.validation("first"))
    held = [row.id for row in rows if row.split == "train"]
    images = [(identity, "g", CLASSES[0]) for identity in held if identity not in table.ids][:0]
    Predictions.of_images(CLASSES, images, np.zeros((0, 3))).write(paths.validation("first"))
    with pytest.raises(CytopipeError, match="no image of 'cells' may be looked at"):
        image_queue(project, "first", "uncertainty")


def test_unlikeness_is_of_the_network_that_did_not_train_on_an_image(
    tmp_path: Path, save_classifier: SaveClassifier, project: Params
) -> None:
    folder = save_classifier(tmp_path / "model", "rgb")
    with pytest.raises(CytopipeError, match="does not know its training images"):
        unlike_scores(folder, ["a"], [FIELD])
    with pytest.raises(CytopipeError, match="is in no fold"):
        Folds({"b": 0}, folder).write()
        unlike_scores(folder, ["a"], [FIELD])


def test_cells_of_a_field_by_uncertainty_and_unlikeness(project: Params) -> None:
    queue = cell_queue(project, "cells", [FIELD], SCREENED, "uncertainty")
    assert len(queue.items) == len(CELLS) and queue.items[-1].id == f"slide_x{CELLS[0][0]}_y{CELLS[0][1]}"
    unlike = cell_queue(project, "cells", [FIELD], SCREENED, "unlikeness")
    assert [one.score for one in unlike.items] == pytest.approx([0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    one = queue.items[0]
    assert one.is_new and one.label == "" and one.group == "slide" and one.predicted == "benign"
    picture = one.picture()
    mask = one.mask(picture.shape[:2])
    assert set(np.unique(mask)) == {0, 1, 2}
    dark = picture[..., 0] < 100  # the nucleus as it was drawn
    assert (dark == (mask == 2)).all()
    around = one.surroundings()
    assert around is not None and around.shape[0] > picture.shape[0]


def test_field_by_field_keeps_cells_together(project: Params) -> None:
    shutil.copy(FIELD, "fields/other.png")
    text = (SCREENED / "slide.csv").read_text()
    (SCREENED / "other.csv").write_text("\n".join(text.splitlines()[:3]) + "\n")  # the two surest
    queue = cell_queue(project, "cells", [Path("fields/other.png"), FIELD], SCREENED, "uncertainty", by_field=True)
    assert [one.group for one in queue.items] == ["slide"] * 6 + ["other"] * 2


def test_networks_disagree_about_cells(tmp_path: Path, project: Params, save_classifier: SaveClassifier) -> None:
    committee = [save_classifier(tmp_path / f"model{seed}", "rgb", seed) for seed in (1, 2)]
    queue = cell_queue(project, "cells", [FIELD], SCREENED, "disagreement", committee=committee)
    assert len(queue.items) == len(CELLS) and queue.items[0].score > 0
    with pytest.raises(CytopipeError, match=r"nobody to disagree with[\s\S]*name more --classifier NAME"):
        cell_queue(project, "cells", [FIELD], SCREENED, "disagreement", committee=committee[:1])


def test_a_field_of_a_tested_group_is_not_offered(project: Params) -> None:
    rows = read_manifest(paths.Organized("cells").manifest)
    raw = paths.Raw("cells").files
    tested = next(row for row in rows if row.split == "test")
    (raw / tested.source).write_bytes(FIELD.read_bytes())
    with pytest.raises(CytopipeError, match="all 1 fields show test images"):
        cell_queue(project, "cells", [FIELD], SCREENED, "uncertainty")
    (raw / tested.source).write_bytes(b"x")
    known = next(row for row in reversed(rows) if row.split == "val")
    (raw / known.source).write_bytes(FIELD.read_bytes())
    queue = cell_queue(project, "cells", [FIELD], SCREENED, "uncertainty")
    assert {one.group for one in queue.items} == {known.group}


def test_groups_of_tested_fields_are_read_with_the_options_of_their_dataset(project: Params) -> None:
    raw, manifest = paths.Raw("cells").files, paths.Organized("cells").manifest
    for name in ("patient/a", "patient/b"):
        annotated_field(raw / f"{name}.png", len(name))
        geojson(raw, name=f"{name}.geojson")
    annotated_field(raw / "patient/b.png", 1)
    rows = read_manifest(manifest)
    tested = next(row for row in rows if row.split == "test")
    moved = replace(tested, source="patient/a.png", group="patient")
    write_manifest(manifest, [moved if row == tested else row for row in rows])
    annotated = project.datasets["cells"].model_copy(update={"adapter": "annotated", "options": {"group": "folder"}})
    project = project.model_copy(update={"datasets": {"cells": annotated}})
    for name in ("a", "b"):  # b has no image in the dataset
        shutil.copy(raw / f"patient/{name}.png", "fields/copy.png")
        with pytest.raises(CytopipeError, match="all 1 fields show test images"):
            cell_queue(project, "cells", [Path("fields/copy.png")], SCREENED, "uncertainty")


def test_a_field_that_is_called_as_a_tested_group_is_not_offered(project: Params) -> None:
    tested = next(row for row in read_manifest(paths.Organized("cells").manifest) if row.split == "test")
    shutil.copy(FIELD, f"fields/{tested.group}.png")
    shutil.copy(SCREENED / "slide.csv", SCREENED / f"{tested.group}.csv")
    queue = cell_queue(project, "cells", [Path(f"fields/{tested.group}.png"), FIELD], SCREENED, "uncertainty")
    assert {one.group for one in queue.items} == {"slide"} and queue.refused == 1


def test_without_the_files_of_the_dataset_no_field_is_offered(project: Params) -> None:
    shutil.rmtree(paths.Raw("cells").files)
    with pytest.raises(CytopipeError, match="nobody knows which fields show its test images"):
        cell_queue(project, "cells", [FIELD], SCREENED, "uncertainty")


def test_a_field_whose_cells_could_not_become_images_is_named_before_the_review(project: Params) -> None:
    shutil.copy(FIELD, "fields/7: late.png")
    shutil.copy(SCREENED / "slide.csv", SCREENED / "7: late.csv")
    with pytest.raises(CytopipeError, match=r"'7: late_x.*' cannot name a file"):
        cell_queue(project, "cells", [Path("fields/7: late.png")], SCREENED, "uncertainty")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("p_benign", "p_cyst"), "its class 'cyst' is none of the dataset"),
        (lambda text: text.replace("POLYGON", "CIRCLE", 1), "not an outline: CIRCLE"),
        (lambda text: text.replace("\n1,18,23,63,", "\n1,18,23,9999,"), "lies outside its field"),
        (lambda text: text.replace("unlike_score", "other"), "how unlike"),
        (lambda text: "cell,left\n1,2\n", "columns are missing"),
        (lambda text: text.splitlines()[0] + "\n", "no cell was found"),
    ],
)
def test_a_table_that_does_not_fit_is_named(project: Params, change: Callable[[str], str], message: str) -> None:
    table = SCREENED / "slide.csv"
    table.write_text(change(table.read_text()))
    with pytest.raises(CytopipeError, match=message):
        cell_queue(project, "cells", [FIELD], SCREENED, "unlikeness")


def test_a_field_without_table_is_named(project: Params) -> None:
    shutil.copy(FIELD, "fields/other.png")
    with pytest.raises(CytopipeError, match="has not been screened"):
        cell_queue(project, "cells", [Path("fields/other.png")], SCREENED, "uncertainty")
    with pytest.raises(CytopipeError, match="no such field"):
        cell_queue(project, "cells", [Path("fields/none.png")], SCREENED, "uncertainty")
