from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from cytopipe.core.params import Embedding
from cytopipe.embeddings.bundle import put_probe
from cytopipe.embeddings.embed import Embedded, empty_regions, judges, probe_all, rows_of
from cytopipe.embeddings.encoder import Encoder, make_encoder
from cytopipe.embeddings.features import Features, cached_features
from cytopipe.errors import CytopipeError
from cytopipe.models.inference.classify import class_probabilities, input_transform
from cytopipe.results.embeddings import EmbeddedImage, EmbeddedImages, Probes
from embedding_types import Cells, Make

CPU = torch.device("cpu")
CLASSES = ("dark", "bright", "red")


def encode(config: Embedding, cells: Cells, folder: Path) -> tuple[Encoder, Features]:
    encoder = make_encoder(config, CLASSES, 32, "0" * 64, CPU, "embeddings.x")
    learnt = rows_of(cells.rows, "train", "val")
    return encoder, cached_features(encoder, cells.items, learnt, folder, {}, lambda items, _: items, CPU)


def embed(config: Embedding, cells: Cells, folder: Path) -> Embedded:
    encoder, features = encode(config, cells, folder)
    return probe_all(config, encoder, features, cells.rows, CLASSES, {}, "embeddings.x")


def test_every_probe_is_tested_once_and_validation_chooses_among_them(cells: Cells, make: Make, tmp_path: Path) -> None:
    found = embed(make(), cells, tmp_path / "cache")
    probes = found.probes
    assert list(probes.probes) == list(found.predictions) == ["linear", "svm", "knn"]
    assert probes.images == {"train": 36, "val": 12, "test": 12} and probes.chosen_on == "12 validation images"
    assert probes.chosen.selection == max(one.selection for one in probes.probes.values())
    tested = [row.id for row in cells.rows if row.split == "test"]
    assert all(list(table.ids) == tested for table in found.predictions.values())
    accuracy = probes.probes["linear"].metrics["accuracy"].value
    assert accuracy == pytest.approx(found.predictions["linear"].correct.mean())
    assert accuracy is not None and accuracy > 0.9
    headline = probes.headline.root
    assert headline["linear"] == round(accuracy, 4) and {"accuracy", "low", "high", "svm", "knn"} <= headline.keys()


def test_the_record_and_the_table_are_read_as_written(cells: Cells, make: Make, tmp_path: Path) -> None:
    probes = embed(make(probes=["knn"]), cells, tmp_path / "cache").probes
    probes.write(tmp_path / "probes.json")
    assert Probes.read(tmp_path / "probes.json").headline == probes.headline
    images = [EmbeddedImage(id=row.id, split=row.split, group=row.group, label=row.label) for row in cells.rows]
    table = EmbeddedImages(rows=tuple(images))
    table.write(tmp_path / "images.csv")
    assert EmbeddedImages.read(tmp_path / "images.csv") == table


@pytest.mark.parametrize("regions", ["whole", "masks"])
def test_encoder_and_linear_probe_are_one_network(regions: str, cells: Cells, make: Make, tmp_path: Path) -> None:
    config = make(regions=regions, strides=[4, 8], probes=["linear"], tta=8)
    encoder, features = encode(config, cells, tmp_path / "cache")
    found = probe_all(config, encoder, features, cells.rows, CLASSES, {}, "embeddings.x")
    model = put_probe(encoder, found.fitted["linear"], features.scale)
    test = rows_of(cells.rows, "test")
    shares = class_probabilities(model, input_transform(encoder.spec, CPU), cells.items[test], tta=8)
    # Of the mean of features the one, the mean of probabilities the other.
    np.testing.assert_allclose(shares, found.predictions["linear"].probabilities, atol=0.05)
    assert (shares.argmax(axis=1) == found.predictions["linear"].probabilities.argmax(axis=1)).all()


def test_inner_folds_hold_whole_groups_and_no_test_image(cells: Cells, make: Make) -> None:
    rows = [dataclasses.replace(row, group=f"g{number // 6}") for number, row in enumerate(cells.rows)]
    rows[1] = dataclasses.replace(rows[1], sha256=rows[-4].sha256)  # a copy in another group
    judged, fitted, chosen_on, _ = judges(make(inner_folds=3), rows, "x")
    learnt = set(rows_of(rows, "train", "val").tolist())
    assert set(fitted.tolist()) == learnt and chosen_on == "3 grouped folds"
    assert sorted(np.concatenate([test for _, test in judged.parts]).tolist()) == sorted(learnt)
    for train, test in judged.parts:
        assert {rows[one].group for one in train}.isdisjoint(rows[one].group for one in test)
        assert {rows[one].sha256 for one in train}.isdisjoint(rows[one].sha256 for one in test)


def test_images_without_a_region_are_counted_and_masks_without_any_cell_refused(cells: Cells, make: Make) -> None:
    config, learnt = make(regions="masks"), rows_of(cells.rows, "train", "val")
    items = cells.items.copy()
    assert empty_regions(make(), items, learnt, "x") == {}
    assert empty_regions(config, items, learnt, "x") == {"nucleus": 0, "cytoplasm": 0}
    items[:2, ..., 4] = 0
    assert empty_regions(config, items, learnt, "x") == {"nucleus": 2, "cytoplasm": 0}
    items[learnt, ..., 3:] = 0
    with pytest.raises(CytopipeError, match="no training image has a cell"):
        empty_regions(config, items, learnt, "x")


def test_one_class_alone_in_the_training_images_is_an_error(cells: Cells, make: Make, tmp_path: Path) -> None:
    rows = [
        dataclasses.replace(row, split="test") if row.split == "train" and row.class_index else row
        for row in cells.rows
    ]
    with pytest.raises(CytopipeError, match="of one class"):
        embed(make(probes=["linear"]), cells._replace(rows=rows), tmp_path / "cache")
