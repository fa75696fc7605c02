from __future__ import annotations

import numpy as np
import pytest
import torch

from cytopipe.core.params import Embedding
from cytopipe.embeddings.encoder import Encoder, make_encoder
from cytopipe.embeddings.features import batch_features
from cytopipe.errors import CytopipeError
from cytopipe.models.architectures.timm_models import create_timm
from cytopipe.models.inference.classify import input_transform
from cytopipe.models.inference.tta import ORIENTED, turn
from embedding_types import Cells, Make

CPU = torch.device("cpu")


def encoder_of(config: Embedding, side: int = 32) -> Encoder:
    return make_encoder(config, ("a", "b", "c"), side, "0" * 64, CPU, "embeddings.x")


def features_of(encoder: Encoder, items: np.ndarray) -> np.ndarray:
    return np.concatenate(list(batch_features(encoder, items, CPU)))


def test_features_are_those_of_timm_without_its_head(cells: Cells, make: Make) -> None:
    encoder = encoder_of(make())
    plain = create_timm("test_resnet", num_classes=0).eval()
    state = {name: value for name, value in encoder.model.state_dict().items() if not name.startswith("fc.")}
    plain.load_state_dict(state)
    images = input_transform(encoder.spec, CPU)(torch.from_numpy(cells.items))
    with torch.no_grad():
        expected = plain(images).numpy()
    found = features_of(encoder, cells.items)
    assert found.shape == (60, encoder.dimension)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_with_tta_they_are_the_mean_over_eight_orientations(cells: Cells, make: Make) -> None:
    items = cells.items[:4]
    single, mean = encoder_of(make()), encoder_of(make(tta=8))
    turned = [features_of(single, turn(torch.from_numpy(items), *by).numpy()) for by in ORIENTED[8]]
    np.testing.assert_allclose(features_of(mean, items), np.mean(turned, axis=0), rtol=1e-4, atol=1e-6)


def test_regions_are_pooled_by_the_masks_of_the_image(cells: Cells, make: Make) -> None:
    encoder = encoder_of(make(regions="masks", strides=[4, 8]))
    items = cells.items[:2].copy()
    before = features_of(encoder, items)
    items[..., 3:] = 0
    after = features_of(encoder, items)
    changed = (before != after).any(axis=0)
    assert before.shape[1] == encoder.dimension == len(changed)
    assert 0 < changed.sum() <= 2 / 3 * len(changed)  # nucleus and cytoplasm, not the image
    assert not after[:, changed].any() and after.any()


def test_random_weights_come_from_the_seed(make: Make) -> None:
    first, again, other = (encoder_of(make(seed=seed)).described.weights_sha256 for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "timm/tst_resnet"}, "test_resnet"),
        ({"architecture": "timm/tst_resnet", "regions": "masks"}, "timm has no model 'tst_resnet'"),
        ({"architecture": "attention_unet"}, "is a segmenter"),
        ({"architecture": "timm/vit_tiny_patch16_224", "regions": "masks"}, "strides"),
        ({"architecture": "timm/test_resnet", "pretrained": "nothing.safetensors"}, "nothing.safetensors"),
        ({"architecture": "densenet_attention", "input_size": 16}, "an image of 16 x 16 px is too small"),
    ],
)
def test_what_cannot_be_built_is_told_in_words(changes: dict[str, object], message: str, make: Make) -> None:
    with pytest.raises(CytopipeError) as caught:
        encoder_of(make(**changes))
    assert message in f"{caught.value} {caught.value.hint}"
