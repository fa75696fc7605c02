from __future__ import annotations

import cv2
import imagehash
import numpy as np
import pytest
from PIL import Image

from cytopipe.audit import hashes


def grey(seed: int, side: int = 64) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 60, (side, side)).astype(np.float32)
    return np.clip(128 + 4 * cv2.GaussianBlur(noise, (0, 0), 3), 0, 255).astype(np.uint8)


def found(images: list[np.ndarray]) -> list[hashes.Pair]:
    prints = np.stack([hashes.fingerprint(image) for image in images])
    sides = np.array([min(image.shape) for image in images])
    return hashes.near_duplicates(prints, np.stack([hashes.thumbnail(image) for image in images]), sides)


def test_orientations_are_the_eight_of_a_square() -> None:
    image = np.arange(12).reshape(3, 4)
    seen = {(o := hashes.orient(image, which)).shape + tuple(o.ravel()) for which in range(hashes.ORIENTATIONS)}
    assert len(seen) == 8
    assert np.array_equal(hashes.orient(image, 0), image)
    assert np.array_equal(hashes.orient(image, 1), np.rot90(image))
    assert np.array_equal(hashes.orient(image, 4), np.fliplr(image))


def test_a_fingerprint_has_the_hashes_of_imagehash_for_every_orientation() -> None:
    image = grey(0)
    prints = hashes.fingerprint(image)
    assert prints.shape == (8, 4)
    assert prints.dtype == np.uint64
    for which in range(8):
        hashed = imagehash.phash(Image.fromarray(hashes.orient(image, which)), 16, 4).hash
        assert np.array_equal(np.unpackbits(prints[which].view(np.uint8)), hashed.ravel())


@pytest.mark.parametrize("which", range(8))
def test_every_orientation_of_a_copy_is_found(which: int) -> None:
    images = [grey(seed) for seed in range(40)]
    pairs = found([*images, hashes.orient(images[7], which)])
    assert [(pair.first, pair.second) for pair in pairs] == [(7, 40)]
    assert pairs[0].distance is not None and pairs[0].distance <= 2
    assert pairs[0].correlation == pytest.approx(1, abs=1e-3)


def test_candidates_are_those_of_a_plain_double_loop() -> None:
    rng = np.random.default_rng(0)
    prints = rng.integers(0, 2**63, (150, 8, 4)).astype(np.uint64)
    for copy in range(100, 150):  # more than one block; copies with a few bits flipped, in some orientation
        prints[copy, copy % 8] = prints[copy - 100, 0] ^ np.array([rng.integers(2**30), 0, 0, 0], np.uint64)
    expected = {}
    for first in range(150):
        for second in range(first + 1, 150):
            bits = [
                sum(int(a ^ b).bit_count() for a, b in zip(prints[first, 0], prints[second, which], strict=True))
                for which in range(8)
            ]
            if min(bits) <= hashes.MOST_BITS:
                expected[first, second] = (int(np.argmin(bits)), min(bits))
    got = {
        (int(a), int(b)): (int(which), int(bits))
        for block in hashes.candidates(prints)
        for a, b, which, bits in zip(*block, strict=True)
    }
    assert got == expected
    assert len(got) == 50


def test_discs_that_a_hash_confuses_are_distinguished_by_pixels() -> None:
    """Images of single cells: the same disc with different grain."""
    rng = np.random.default_rng(0)
    disc = cv2.circle(np.full((64, 64), 20, np.uint8), (32, 32), 24, 190, -1).astype(np.float32)
    noise = [np.asarray(rng.normal(0, 40, disc.shape)) for _ in range(60)]
    images = [np.clip(disc + cv2.GaussianBlur(one, (0, 0), 2), 0, 255).astype(np.uint8) for one in noise]
    prints = np.stack([hashes.fingerprint(image) for image in images])
    assert sum(len(block[0]) for block in hashes.candidates(prints)) > 500
    assert found(images) == []
    copy = np.clip(np.rot90(images[3]) * 1.1 + 4, 0, 255).astype(np.uint8)
    assert [(pair.first, pair.second) for pair in found([*images, copy])] == [(3, 60)]


def test_small_images_must_be_more_similar(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [grey(seed, 20) for seed in range(30)]
    assert [(pair.first, pair.second) for pair in found([*images, images[4][::-1].copy()])] == [(4, 30)]
    monkeypatch.setattr(hashes, "LEAST_OF_SMALL", 1.1)
    assert found([*images, images[4][::-1].copy()]) == []


def test_constant_images_have_no_near_duplicate() -> None:
    assert found([np.full((40, 40), 90, np.uint8)] * 3 + [grey(1)]) == []


def test_images_of_any_size_are_compared() -> None:
    image = grey(3, 120)
    wide = cv2.resize(image, (90, 30), interpolation=cv2.INTER_AREA)
    pairs = found([*(grey(seed) for seed in range(10, 30)), image, cv2.resize(image, (80, 80)), wide])
    assert (20, 21) in {(pair.first, pair.second) for pair in pairs}
