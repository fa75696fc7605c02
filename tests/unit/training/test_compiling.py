from __future__ import annotations

import shutil

import pytest
import torch
from torch import nn

from cytopipe.errors import CytopipeError
from cytopipe.training import compiling
from cytopipe.training.compiling import compiled


def test_nothing_is_compiled_unless_it_is_wanted() -> None:
    model = nn.Linear(2, 2)
    assert compiled(model, False) is model


def test_without_a_compiler_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(CytopipeError, match=r"(?s)no C\+\+ compiler.*compile: false"):
        compiled(nn.Linear(2, 2), True)


@pytest.mark.skipif(not any(map(shutil.which, compiling.COMPILERS)), reason="no C++ compiler")
def test_a_compiled_network_trains_the_weights_of_the_network_itself() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    inputs = torch.rand(5, 3)
    model(inputs).sum().backward()
    expected = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    model.zero_grad()
    result = compiled(model, True)(inputs)
    result.sum().backward()
    assert torch.allclose(result, model(inputs), atol=1e-6)
    found = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert len(found) == 4 and all(
        torch.allclose(one, other, atol=1e-6) for one, other in zip(found, expected, strict=True)
    )
