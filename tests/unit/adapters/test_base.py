from __future__ import annotations

from pathlib import Path

import pytest

from cytopipe.adapters.registry import ADAPTERS, adapter
from cytopipe.errors import CytopipeError


def test_an_unknown_adapter_comes_with_the_nearest() -> None:
    with pytest.raises(CytopipeError, match=r"datasets\.x\.adapter: no adapter is called 'sipakmet'.*mean: sipakmed"):
        adapter("sipakmet", "datasets.x.adapter")


@pytest.mark.parametrize("name", ADAPTERS)
def test_unknown_options_are_refused_with_the_known_ones(name: str, tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match=rf"k: unknown key 'imagess'; .*\n  -> options of '{name}': "):
        ADAPTERS[name].read(tmp_path, {"imagess": "x"}, "k")


def test_a_misspelt_option_comes_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match=r"unknown key 'grup'; did you mean: group\n"):
        ADAPTERS["folder"].read(tmp_path, {"grup": "patient"}, "datasets.x.options")


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_empty_folder_is_not_a_dataset(name: str, tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match=r"expected .*, found nothing\n  -> check datasets\.\*\.adapter"):
        ADAPTERS[name].read(tmp_path, {}, "k")
