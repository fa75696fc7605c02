"""What is sent to a rank arrives: mapped arrays as maps of the same file, and networks with low-rank changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cytopipe.data.tensors import Stack
from cytopipe.models.lora import add_low_rank
from cytopipe.training.parcel import pack, unpack


@pytest.fixture
def mapped(tmp_path: Path) -> np.ndarray:
    np.save(tmp_path / "x.npy", np.arange(60_000, dtype=np.uint16).reshape(100, 20, 30))
    array: np.ndarray = np.load(tmp_path / "x.npy", mmap_mode="r")
    return array


def test_a_mapped_array_is_sent_by_name(mapped: np.ndarray) -> None:
    for array in (
        mapped,
        np.asarray(mapped),
        mapped[7:9],
        np.asarray(mapped)[7:9],
        np.asarray(mapped[3:])[2],
        mapped[5:][1:],
    ):
        parcel = pack(array)
        assert len(parcel) < 1000
        assert np.array_equal(unpack(parcel), array)


def test_what_is_no_whole_piece_of_a_file_is_sent_with_its_numbers(mapped: np.ndarray) -> None:
    for array in (mapped[:, 3], mapped[:0], mapped[2:4] + 1, np.arange(3)):
        assert np.array_equal(unpack(pack(array)), array)


def test_items_of_several_arrays_are_sent_by_name(mapped: np.ndarray) -> None:
    items = Stack([mapped, mapped[50:]], np.array([[1, 3], [0, 99]]))
    parcel = pack(items)
    assert len(parcel) < 2000
    assert np.array_equal(unpack(parcel)[:], items[:])


def test_a_network_with_low_rank_changes_arrives_with_them() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.Flatten(), nn.Linear(256, 32), nn.Linear(32, 2))
    assert add_low_rank(model, 2, 4.0, model[3]) == 2
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("up"):
                parameter.normal_()
    arrived, same = unpack(pack((model, model)))
    assert arrived is same
    state = model.state_dict()
    assert list(arrived.state_dict()) == list(state)
    assert all(torch.equal(value, state[name]) for name, value in arrived.state_dict().items())
    trained = [(name, one.requires_grad) for name, one in model.named_parameters()]
    assert [(name, one.requires_grad) for name, one in arrived.named_parameters()] == trained
    images = torch.rand(2, 3, 6, 6)
    assert torch.equal(arrived(images), model(images))
