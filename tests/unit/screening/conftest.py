"""Models that detect cells without training, and fields whose cells are known exactly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cytopipe.models.folder import save_model
from cytopipe.models.registry import build
from cytopipe.results.model_spec import ModelSpec
from cytopipe_phantoms.field import take_field
from cytopipe_phantoms.spec import Phantom, read_table
from fixture_types import DrawField
from made_otsu import write_otsu

BACKGROUND, CYTOPLASM, NUCLEUS = 235, 150, 40  # grey


@pytest.fixture(scope="session")
def otsu_tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A segmenter by Otsu's threshold with windows of 96 px and a typical cell side of 40 px."""
    return write_otsu(tmp_path_factory.mktemp("models") / "otsu", "tiles", cell_side=40.0)


@pytest.fixture(scope="session")
def otsu_whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, but with the model.json of a segmenter that was trained on crops of 48 px, scaled to 96 px."""
    return write_otsu(tmp_path_factory.mktemp("models") / "otsu", "whole", cell_side=40.0, image_side=48.0)


@pytest.fixture(scope="session")
def otsu_large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a typical cell side of 400 px."""
    return write_otsu(tmp_path_factory.mktemp("models") / "otsu", "tiles", cell_side=400.0)


@pytest.fixture(scope="session")
def patch_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of 20 px patches whose probability of a cell is the darkness of the centre."""
    return write_patches(tmp_path_factory.mktemp("models") / "patches", dark=True)


@pytest.fixture(scope="session")
def bright_patch_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for the brightness of the centre."""
    return write_patches(tmp_path_factory.mktemp("models") / "patches", dark=False)


def write_patches(folder: Path, dark: bool) -> Path:
    model = build("cell_background", num_classes=2)
    weights = dict(model.named_parameters())
    with torch.no_grad():
        for parameter in weights.values():
            parameter.zero_()
        weights["features.0.weight"][0, :, 3:7, 3:7] = -1 / 48 if dark else 1 / 48  # the mean of 4 x 4 px everywhere
        weights["features.0.bias"][0] = 1.0 if dark else 0.0
        weights["classifier.0.weight"][0].view(10, 5, 5)[0, 2, 2] = 1.0  # the centre
        weights["classifier.2.weight"][1, 0], weights["classifier.2.bias"][1] = 20.0, -14.0
    spec = ModelSpec(
        task="classification",
        architecture="cell_background",
        arguments={"num_classes": 2},
        classes=("background", "cell"),
        channels="rgb",
        input_size=20,
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        training_data_sha256="0" * 64,
    )
    save_model(folder, model, spec)
    return folder


@pytest.fixture(scope="session")
def draw_field() -> DrawField:

    def draw(height: int, width: int, middles: Sequence[tuple[int, int]], bright: bool = False) -> np.ndarray:
        field = np.full((height, width), BACKGROUND, np.uint8)
        for radius, grey in ((15, CYTOPLASM), (5, NUCLEUS)):
            for middle in middles:
                cv2.circle(field, middle, radius, grey, cv2.FILLED)
        field = 255 - field if bright else field
        return np.repeat(field[..., None], 3, axis=2)

    return draw


@pytest.fixture(scope="session")
def phantom_field(root: Path) -> np.ndarray:
    """Part of a smear with overlapping cells, debris and noise, 200 x 260 x 3."""
    phantom = read_table(root / "workflow/phantoms/cervix.yaml", Phantom)
    return take_field(phantom, "Metaplastic", count=12, scale=0.25, seed=[3, 2, 1]).image[150:350, 100:360]
