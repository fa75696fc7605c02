from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch

from cytopipe.embeddings import features
from cytopipe.embeddings.encoder import Encoder, make_encoder
from cytopipe.embeddings.features import Features, batch_features, cached_features
from cytopipe.errors import CytopipeError
from embedding_types import Cells, Make

CPU = torch.device("cpu")


@pytest.fixture
def encoder(make: Make) -> Encoder:
    return make_encoder(make(), ("a", "b", "c"), 32, "0" * 64, CPU, "embeddings.x")


def compute(encoder: Encoder, cells: Cells, cache: Path, **settings: object) -> Features:
    def progress(items: Iterable[object], total: int) -> Iterable[object]:
        return items

    return cached_features(encoder, cells.items, np.arange(45), cache, settings, progress, CPU)


def test_features_are_float16_on_disk_in_the_order_of_the_images(
    encoder: Encoder, cells: Cells, tmp_path: Path
) -> None:
    found = compute(encoder, cells, tmp_path / "cache")
    assert isinstance(found.values, np.memmap) and found.values.dtype == np.float16
    exact = np.concatenate(list(batch_features(encoder, cells.items, CPU)))
    np.testing.assert_allclose(np.asarray(found.values, np.float32) / found.scale, exact, rtol=1e-3, atol=1e-5)


def test_they_are_computed_once(
    encoder: Encoder, cells: Cells, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = compute(encoder, cells, tmp_path / "cache", images="a")
    monkeypatch.setattr(features, "_compute", None)  # would fail if it were called
    again = compute(encoder, cells, tmp_path / "cache", images="a")
    assert np.array_equal(first.values, again.values) and again.scale == first.scale


def test_other_images_are_computed_again_and_replace_the_former(encoder: Encoder, cells: Cells, tmp_path: Path) -> None:
    first = compute(encoder, cells, tmp_path / "cache", images="a")
    second = compute(encoder, cells, tmp_path / "cache", images="b")
    assert second.file != first.file and not first.file.exists()
    assert [file.suffix for file in sorted((tmp_path / "cache").iterdir())] == [".json", ".npy"]


@pytest.mark.parametrize(("factor", "scale"), [(1.0, 1.0), (2.0**-20, 2.0**20), (2.0**20, 2.0**-20)])
def test_features_beyond_float16_are_scaled_by_a_power_of_two(factor: float, scale: float, tmp_path: Path) -> None:
    values = np.array([[1.0, -0.5], [0.25, 0.75], [1.5, 0.0]], np.float32) * np.float32(factor)
    np.save(tmp_path / "exact.npy", values)
    found = features._halve(tmp_path / "exact.npy", tmp_path / "half.npy", np.array([0, 1]), "x")
    half = np.load(tmp_path / "half.npy")
    assert found == scale  # chosen by the first two rows alone
    assert np.array_equal(half.astype(np.float64) / scale, values.astype(np.float64))


@pytest.mark.parametrize("row", [0, 4096, 4999])  # of the first part of the images, of the next, not fitted
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_feature_that_is_not_finite_is_an_error(value: float, row: int, tmp_path: Path) -> None:
    exact = np.ones((5000, 1), np.float32)
    exact[row] = value
    np.save(tmp_path / "exact.npy", exact)
    with pytest.raises(CytopipeError, match="not finite"):
        features._halve(tmp_path / "exact.npy", tmp_path / "half.npy", np.arange(4500), "net")
