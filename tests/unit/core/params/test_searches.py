"""Searches in params.yaml: spaces that do not fit are refused, and networks take what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cytopipe.core.params import Params, parse_params
from cytopipe.core.params.searches import Halving, rungs
from cytopipe.errors import CytopipeError

PRESET = Path(__file__).parents[4] / "workflow/presets/tiny.yaml"
BEST = "results/searches/topology/best.yaml"
SEARCH: dict[str, Any] = {
    "base": "classifiers.resnet-rgb",
    "data": "data/tensors/tiny",
    "pretrained": "workflow/weights/none",
    "space": {"training.learning_rate": {"log": ["1e-4", "1e-2"]}},
}


def values(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(PRESET.read_text())
    found["searches"] = {"topology": SEARCH | changes}
    return found


def parsed(data: dict[str, Any], root: Path | None = None) -> Params:
    return parse_params(data, "params.yaml", root)


def test_a_file_without_searches_has_none() -> None:
    assert parsed(yaml.safe_load(PRESET.read_text())).searches == {}


def test_exponents_are_numbers_also_where_yaml_reads_texts() -> None:
    assert parsed(values()).searches["topology"].space["training.learning_rate"].log == (1e-4, 1e-2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"space": {"training.learning_rat": {"log": [0.1, 1]}}}, "did you mean: learning_rate"),
        ({"space": {"trainin.learning_rate": {"log": [0.1, 1]}}}, "did you mean: training"),
        ({"space": {"training.learning_rate": {"log": [0.1, 20]}}}, "space.training.learning_rate"),
        ({"space": {"training.learning_rate": {"log": [0, 1]}}}, "logarithmic scale has no zero"),
        ({"space": {"training.learning_rate": {"log": [0.1, 1], "choice": [1]}}}, "one of choice, log"),
        ({"space": {"channels": {"choice": ["rgb", "grey"]}}}, "space.channels"),
        ({"space": {"training.epochs": {"choice": [2, 4]}}}, "successive halving"),
        ({"space": {"training.seed": {"choice": [2, 4]}}}, "luck"),
        ({"space": {"training": {"choice": [{"epochs": 2, "batch_size": 2}]}}}, "the keys inside it"),
        ({"space": {"dataset": {"choice": ["tiny"]}}}, "cannot be searched over"),
        ({"base": "classifiers.resnet"}, "there is no 'classifiers.resnet'"),
        ({"classifier": "resnet-rgb"}, "write base: classifiers.resnet-rgb"),
        ({"data": "data/tensors/other"}, "write data: data/tensors/tiny"),
        ({"pretrained": "workflow/weights/hub"}, "write pretrained: workflow/weights/none"),
        ({"objective": "dice"}, "a classifier has accuracy"),
        ({"folds": {"outer": 1}}, "outer is 0"),
        ({"trails": 3}, "did you mean: trials"),
    ],
)
def test_one_clear_error(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(CytopipeError, match="searches") as caught:
        parsed(values(**changes))
    assert words in str(caught.value)


def with_found(**changes: Any) -> dict[str, Any]:
    data = values()
    data["classifiers"]["found"] = {"dataset": "tiny", "from_search": "topology", "pretrained": BEST} | changes
    return data


def test_before_the_search_has_run_the_base_stands_in(tmp_path: Path) -> None:
    params = parsed(with_found(seeds=3), tmp_path)
    found, base = params.classifiers["found"], params.classifiers["resnet-rgb"]
    assert found.training == base.training and found.seeds == 3 and found.pretrained == base.pretrained


def test_a_network_takes_what_was_found_and_its_own_keys_replace_it(tmp_path: Path) -> None:
    entry = values()["classifiers"]["resnet-rgb"]
    entry["training"] |= {"learning_rate": 0.5, "batch_size": 3}
    file = tmp_path / BEST
    file.parent.mkdir(parents=True)
    file.write_text(yaml.safe_dump({"parameters": entry}))
    found = parsed(with_found(training={"batch_size": 7}), tmp_path).classifiers["found"]
    assert (found.training.learning_rate, found.training.batch_size) == (0.5, 7)
    file.write_text("search: topology\n")
    with pytest.raises(CytopipeError, match="no parameters in it"):
        parsed(with_found(), tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"from_search": "topologie"}, "there is no search 'topologie'"),
        ({"pretrained": "workflow/weights/none"}, f"write pretrained: {BEST}"),
    ],
)
def test_a_network_must_name_its_search_and_its_file(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(CytopipeError) as caught:
        parsed(with_found(**changes))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"from_search": ["topology"]}, "from_search: Input should be a valid string"),
        ({"from_search": 3}, "from_search: Input should be a valid string"),
        ({"dataset": None}, "classifiers.found.dataset"),
    ],
)
def test_values_of_another_type_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(CytopipeError) as caught:
        parsed(with_found(**changes))
    assert words in str(caught.value)


def test_a_network_that_lacks_its_dataset_as_its_base_does_is_refused() -> None:
    data = with_found()
    del data["classifiers"]["found"]["dataset"], data["classifiers"]["resnet-rgb"]["dataset"]
    with pytest.raises(CytopipeError, match="the dataset is missing"):
        parsed(data)


def test_searches_that_are_no_mapping_are_none() -> None:
    with pytest.raises(CytopipeError, match="there is no search 'topology'"):
        parsed(with_found() | {"searches": 3})


def test_a_search_of_what_a_search_found_is_refused() -> None:
    data = with_found()
    data["searches"]["again"] = SEARCH | {"base": "classifiers.found"}
    with pytest.raises(CytopipeError, match="itself made of a search"):
        parsed(data)


def test_rungs_grow_by_the_factor_and_end_with_the_last_epoch() -> None:
    assert rungs(20, Halving(first=2, factor=3)) == [2, 6, 18, 20]
    assert rungs(9, Halving(first=1, factor=3)) == [1, 3, 9]
    assert rungs(1, Halving()) == [1] and rungs(20, None) == [20]
