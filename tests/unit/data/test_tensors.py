from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cytopipe.core.io import workers
from cytopipe.core.io.hashing import hash_tree, sha256_file
from cytopipe.core.params import SPLITS
from cytopipe.data.imaging.decode import encode_png
from cytopipe.data.imaging.masks import encode_mask
from cytopipe.data.manifest import Row, read_manifest, write_manifest
from cytopipe.data.tensors import ArrayWriter, build_tensors, join, load_all, load_split, make_item, open_array
from cytopipe.errors import CytopipeError

SIZE = 8


def passed(items: Iterable[Any], total: int) -> Iterable[Any]:
    return items


@pytest.fixture
def dataset(tmp_path: Path) -> tuple[Path, list[Row], dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Nine organized images of three sizes with predicted masks."""
    rng = np.random.default_rng(0)
    rows, arrays = [], {}
    (tmp_path / "masks" / "predicted").mkdir(parents=True)
    for index in range(9):
        size = ((16, 16), (13, 21), (5, 6))[index % 3]
        image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        mask = rng.integers(0, 3, size, dtype=np.uint8)
        id_, split = f"{chr(ord('i') - index)}", SPLITS[index % 2 if index < 8 else 2]
        folder = tmp_path / "organized" / split / "x"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{id_}.png").write_bytes(encode_png(image))
        (tmp_path / "masks" / "predicted" / f"{id_}.png").write_bytes(encode_mask(mask))
        path, mask_path = f"{split}/x/{id_}.png", f"predicted/{id_}.png"
        rows.append(Row(id_, path, "x", 0, split, id_, size[1], size[0], "", mask_path, ""))
        arrays[id_] = image, mask
    rows.sort(key=lambda row: row.id)
    write_manifest(tmp_path / "masks" / "manifest.csv", rows)
    return tmp_path, rows, arrays


def build(folder: Path, name: str = "tensors", count: int = 1) -> Path:
    tensors = folder / name
    tensors.mkdir()
    arrays = {split: tensors / f"{split}.npy" for split in SPLITS}
    rows = build_tensors(folder / "organized", folder / "masks", SIZE, arrays, passed, count)
    write_manifest(tensors / "manifest.csv", rows)
    return tensors


def test_streamed_arrays_equal_a_direct_computation(dataset: Any) -> None:
    folder, rows, arrays = dataset
    tensors = build(folder)
    for split in SPLITS:
        expected = []
        for row in rows:
            if row.split == split:
                image, mask = arrays[row.id]
                shrinks = image.shape[0] > SIZE and image.shape[1] > SIZE
                how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
                colours = cv2.resize(image, (SIZE, SIZE), interpolation=how)
                small = cv2.resize(mask, (SIZE, SIZE), interpolation=cv2.INTER_NEAREST_EXACT)
                cell, nucleus = (small > 0) * np.uint8(255), (small == 2) * np.uint8(255)
                expected.append(np.dstack([colours, cell, nucleus]))
        array, found = load_split(tensors, split)
        assert np.array_equal(array, np.stack(expected))
        assert [row.id for row in found] == [row.id for row in rows if row.split == split]


def test_the_manifest_has_the_order_of_the_arrays_and_the_tensors_size(dataset: Any) -> None:
    folder, rows, _ = dataset
    written = read_manifest(build(folder) / "manifest.csv")
    assert [row.id for row in written] == sorted(row.id for row in rows)
    assert {(row.width, row.height) for row in written} == {(SIZE, SIZE)}
    assert [row.path for row in written] == [row.path for row in rows]


def test_an_item_of_the_right_size_is_the_image_and_its_mask() -> None:
    image = np.arange(SIZE * SIZE * 3, dtype=np.uint8).reshape(SIZE, SIZE, 3)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[2:6, 2:6], mask[3, 3] = 1, 2
    item = make_item(image, mask, SIZE)
    assert np.array_equal(item[..., :3], image)
    assert np.array_equal(item[..., 3] == 255, mask >= 1)
    assert np.argwhere(item[..., 4] == 255).tolist() == [[3, 3]]


def test_masks_are_scaled_with_their_image_and_get_no_new_values() -> None:
    rng = np.random.default_rng(0)
    left = np.zeros((40, 60), np.uint8)
    left[:, :30] = 2
    item = make_item(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8), left, SIZE)
    assert set(np.unique(item[..., 3:])) == {0, 255}
    assert (item[:, : SIZE // 2, 3:] == 255).all()
    assert (item[:, SIZE // 2 :, 3:] == 0).all()


@pytest.mark.parametrize("count", [0, 1, 7, 12_345])
def test_the_writer_writes_the_bytes_of_np_save(count: int, tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (count, 2, 3, 5), dtype=np.uint8)
    np.save(tmp_path / "saved.npy", array)
    with ArrayWriter(tmp_path / "streamed.npy", count, (2, 3, 5)) as writer:
        for item in array:
            writer.append(item)
    assert (tmp_path / "streamed.npy").read_bytes() == (tmp_path / "saved.npy").read_bytes()


def test_the_writer_takes_items_that_are_not_contiguous(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.uint8).reshape(4, 6)
    with ArrayWriter(tmp_path / "a.npy", 1, (6, 4)) as writer:
        writer.append(array.T)
    assert np.array_equal(np.load(tmp_path / "a.npy")[0], array.T)


def test_the_writer_refuses_other_shapes_and_types(tmp_path: Path) -> None:
    with ArrayWriter(tmp_path / "a.npy", 0, (2, 2)) as writer:
        for wrong in (np.zeros((2, 3), np.uint8), np.zeros((2, 2), np.float32)):
            with pytest.raises(ValueError, match="is not uint8"):
                writer.append(wrong)


@pytest.mark.parametrize("written", [1, 3])
def test_the_writer_holds_its_promise_or_raises(written: int, tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match=f"{written} items written, 2 promised"),
        ArrayWriter(tmp_path / "a.npy", 2, (2, 2)) as writer,
    ):
        for _ in range(written):
            writer.append(np.zeros((2, 2), np.uint8))


def test_an_array_is_mapped_not_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((2, 3), np.uint8))
    assert isinstance(open_array(tmp_path / "a.npy"), np.memmap)


@pytest.mark.parametrize("length", [0, 5, 100, 128, 1000])
def test_a_truncated_array_is_refused(length: int, tmp_path: Path) -> None:
    path = tmp_path / "train.npy"
    np.save(path, np.ones((10, 10, 10), np.uint8))
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(
        CytopipeError, match=r"train\.npy: not a whole \.npy file .*\n  -> run the stage that writes it again"
    ):
        open_array(path)


def test_what_is_no_uint8_array_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.npy"
    with pytest.raises(CytopipeError, match="no such array\n  -> run the stage that writes it"):
        open_array(path)
    np.save(path, np.ones(3))
    with pytest.raises(CytopipeError, match="the array is float64, not uint8"):
        open_array(path)
    np.save(path, np.array([{}]))
    with pytest.raises(CytopipeError, match=r"not a whole \.npy file"):
        open_array(path)


def test_an_array_of_another_length_than_its_manifest_is_refused(dataset: Any) -> None:
    tensors = build(dataset[0])
    np.save(tensors / "val.npy", np.zeros((2, SIZE, SIZE, 5), np.uint8))
    with pytest.raises(CytopipeError, match="2 images, but the manifest lists 4\n  -> rerun build_tensors"):
        load_split(tensors, "val")


def test_damaged_masks_and_masks_of_another_size_are_named(dataset: Any) -> None:
    folder, rows, _ = dataset
    path = folder / "masks" / rows[0].mask_path
    path.write_bytes(encode_mask(np.zeros((3, 4), np.uint8)))
    with pytest.raises(CytopipeError, match=r"predicted/a\.png: the mask is 4 x 3 px, its image 6 x 5\n  -> rerun"):
        build(folder)
    path.unlink()
    with pytest.raises(CytopipeError, match=r"predicted/a\.png: no such image"):
        list(build_tensors(folder / "organized", folder / "masks", SIZE, {s: folder / s for s in SPLITS}, passed))


def test_all_splits_stand_in_the_order_of_ids(dataset: Any) -> None:
    folder, rows, arrays = dataset
    stack, loaded = load_all(build(folder))
    assert [row.id for row in loaded] == [row.id for row in rows]
    assert len(stack) == 9 and stack.shape == (9, SIZE, SIZE, 5)
    expected = np.stack([make_item(image, mask, SIZE) for image, mask in (arrays[row.id] for row in rows)])
    assert (stack[:] == expected).all()
    assert (stack[4] == expected[4]).all()
    chosen = stack.take([7, 2, 5])
    assert chosen.shape == (3, SIZE, SIZE, 5)
    assert (chosen[1:3] == expected[[2, 5]]).all()
    assert (chosen.take([2])[0] == expected[5]).all()


def test_the_manifest_is_read_once_however_many_splits_are_wanted(
    dataset: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = build(dataset[0])
    reads: list[Path] = []

    def counted(path: Path) -> list[Row]:
        reads.append(path)
        return read_manifest(path)

    monkeypatch.setattr("cytopipe.data.tensors.read_manifest", counted)
    load_all(folder)
    load_split(folder, "val")
    assert reads == [folder / "manifest.csv"]
    rows = read_manifest(folder / "manifest.csv")
    write_manifest(folder / "manifest.csv", [replace(row, group="changed") for row in rows])
    assert {row.group for row in load_split(folder, "val")[1]} == {"changed"}
    assert len(reads) == 2


def test_joined_items_stand_one_after_the_other_whatever_they_come_from() -> None:
    first, second = (np.arange(n * 4, dtype=np.uint8).reshape(n, 2, 2, 1) + n for n in (3, 5))
    stack = join(first, second)
    assert np.array_equal(stack[:], np.concatenate([first, second])) and stack.shape == (8, 2, 2, 1)
    again = join(stack.take([7, 0]), first)
    assert np.array_equal(again[:], np.concatenate([second[4:], first[:1], first]))


def test_the_number_of_processes_changes_no_byte(dataset: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PATIENCE_S", 0)
    folder, _, _ = dataset
    assert hash_tree(build(folder, "one", 1)) == hash_tree(build(folder, "three", 3))


def test_arrays_are_hashed_as_they_are_written(dataset: Any) -> None:
    folder, _, _ = dataset
    arrays = {split: folder / f"{split}.npy" for split in SPLITS}
    hashes: dict[Path, str] = {}
    list(build_tensors(folder / "organized", folder / "masks", SIZE, arrays, passed, hashed=hashes.__setitem__))
    assert hashes == {path: sha256_file(path) for path in arrays.values()}
