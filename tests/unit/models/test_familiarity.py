"""What a model folder knows of its training images: read as it was written, and absent in older folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cytopipe.errors import CytopipeError
from cytopipe.models.familiarity import FEATURES, STATISTICS, Familiar, Reference, mean_scores, read_familiar
from cytopipe.models.files import FAMILIAR
from cytopipe.models.image_statistics import COUNT
from cytopipe.results.model_spec import Familiarity, ModelSpec

RULE = Familiarity(threshold=2.0, wanted=0.01, expected=0.02, at_most=0.1, images=49, groups=9)


def reference(dimensions: int, seed: int = 0) -> Reference:
    rng = np.random.default_rng(seed)
    mean, axes, centres = rng.normal(size=dimensions), rng.normal(size=(dimensions, 4)), rng.normal(size=(3, 4))
    return Reference(mean.astype(np.float32), axes.astype(np.float32), centres.astype(np.float32), 0.25, 0.125)


def specification(familiarity: Familiarity | None = RULE) -> ModelSpec:
    return ModelSpec(
        task="classification",
        architecture="cell_background",
        arguments={},
        classes=("a", "b"),
        channels="rgb",
        input_size=8,
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        training_data_sha256="0" * 64,
        familiarity=familiarity,
    )


def test_distance_is_that_from_the_nearest_centre() -> None:
    axes, centres = np.diag([1, 0.5]).astype(np.float32), np.array([[0, 0], [10, 0]], np.float32)
    one = Reference(np.zeros(2, np.float32), axes, centres, typical=np.log(2), spread=0.5)
    distances = np.exp(one.distances(np.array([[0.0, 4.0], [11.0, 0.0]])))
    assert distances == pytest.approx([2, 1], abs=1e-5)
    assert one.deviations(np.array([[0.0, 4.0]])) == pytest.approx([0], abs=1e-5)


@pytest.mark.parametrize("with_features", [True, False])
def test_a_folder_gives_the_scores_that_were_written(tmp_path: Path, with_features: bool) -> None:
    known = {STATISTICS: reference(COUNT), **({FEATURES: reference(6, 1)} if with_features else {})}
    familiar = Familiar(known, RULE.threshold)
    (tmp_path / FAMILIAR).write_bytes(familiar.to_bytes())
    assert familiar.to_bytes() == Familiar(known, RULE.threshold).to_bytes()
    again = read_familiar(tmp_path, specification())
    assert again is not None and again.references.keys() == known.keys()
    items = np.random.default_rng(2).integers(0, 256, (5, 8, 8, 5), dtype=np.uint8)
    seen = np.random.default_rng(3).normal(size=(5, 6)) if with_features else None
    assert (again.scores(seen, items) == familiar.scores(seen, items)).all()


def test_an_older_folder_knows_nothing(tmp_path: Path) -> None:
    assert read_familiar(tmp_path, specification(None)) is None


@pytest.mark.parametrize("content", [None, b"", b"{}", Familiar({}, 1.0).to_bytes()])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / FAMILIAR).write_bytes(content)
    with pytest.raises(CytopipeError, match=r"read|valid"):
        read_familiar(tmp_path, specification())


def test_an_ensemble_has_the_mean_score() -> None:
    assert mean_scores([np.array([0.0, 2.0]), np.array([1.0, 4.0])]).tolist() == [0.5, 3.0]
