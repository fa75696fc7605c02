from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from cytopipe.adapters.registry import ADAPTERS
from cytopipe.errors import CytopipeError
from cytopipe.sources.fetch import fetch
from cytopipe.sources.recipe import GitRecipe, UrlRecipe, load_recipe

RECIPES = Path(__file__).parents[3] / "workflow" / "sources"
SHA = "0" * 64
COMMIT = "0" * 40
GIT = {"kind": "git", "url": "https://example.org/r", "commit": COMMIT, "paths": ["a"]}
URL = {"kind": "url", "url": "https://example.org/a.zip", "sha256": SHA}


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_of_the_project_is_valid(path: Path) -> None:
    assert load_recipe(path).citation


def test_the_wbc_recipe_names_one_commit_of_the_public_repository() -> None:
    recipe = load_recipe(RECIPES / "wbc.yaml")
    assert isinstance(recipe, GitRecipe)
    assert recipe.commit == "fa9c01622f52bccb9aeb8a6f2628f564e377767d"
    assert recipe.paths == ("Dataset 1", "Class Labels of Dataset 1.csv")


def test_the_hep2_recipe_names_one_commit_of_the_public_repository() -> None:
    recipe = load_recipe(RECIPES / "hep2.yaml")
    assert isinstance(recipe, GitRecipe)
    assert recipe.commit == "19bd174446eceb249922068e504a83d4d2439785"
    assert recipe.paths == ("dataset",)


def test_every_published_dataset_has_a_recipe() -> None:
    assert {path.stem for path in RECIPES.glob("*.yaml")} >= set(ADAPTERS) - {"folder", "annotated"}


def test_a_manual_recipe_says_where_to_go_what_to_get_and_how_to_go_on(target: Path, tmp_path: Path) -> None:
    source = SimpleNamespace(kind="url", path=RECIPES / "sipakmed.yaml")
    with pytest.raises(CytopipeError) as caught:
        fetch(source, target, dataset="cells", cache=tmp_path / "cache")
    text = str(caught.value)
    assert "https://www.cs.uoi.gr/~marina/sipakmed.html" in text
    assert "archives of all five classes" in text
    assert "then run: cytopipe preset <preset> --archive FILE" in text
    assert "datasets.cells.source to {kind: archive, path: FILE}" in text


def test_complete_recipes_load(recipe: Callable[..., Path]) -> None:
    assert isinstance(load_recipe(recipe(**URL)), UrlRecipe)
    assert isinstance(load_recipe(recipe(**GIT)), GitRecipe)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (URL | {"sha265": SHA}, "unknown key 'sha265'; did you mean: sha256"),
        (URL | {"sha256": None}, "url and sha256 are required"),
        (URL | {"sha256": "abc"}, "sha256: String should match"),
        (URL | {"url": "file:///etc/passwd"}, "url: String should match"),
        (URL | {"filename": "../a"}, "filename: String should match"),
        (URL | {"home": None}, "home: Field required"),
        (URL | {"manual": True}, "a manual recipe needs instructions"),
        (GIT | {"commit": "main"}, "commit: String should match"),
        (GIT | {"paths": []}, "paths: Tuple should have at least 1"),
        (GIT | {"paths": ["../a"]}, "'../a' is not a path inside a repository"),
        (GIT | {"url": "ext::sh -c evil"}, "url: String should match"),
        (URL | {"kind": "ftp"}, "does not match any of the expected tags"),
    ],
)
def test_faulty_recipes_are_refused_with_the_key(
    recipe: Callable[..., Path], keys: dict[str, object], message: str
) -> None:
    with pytest.raises(CytopipeError) as caught:
        load_recipe(recipe(**keys))
    assert message in caught.value.what
    assert "recipe.yaml" in str(caught.value)


def test_missing_and_malformed_recipes_are_named(tmp_path: Path) -> None:
    with pytest.raises(CytopipeError, match="no such recipe"):
        load_recipe(tmp_path / "nothing.yaml")
    (tmp_path / "bad.yaml").write_text("kind: [")
    with pytest.raises(CytopipeError, match=r"bad\.yaml: not valid YAML"):
        load_recipe(tmp_path / "bad.yaml")
    (tmp_path / "bad.yaml").write_text("")
    with pytest.raises(CytopipeError, match=r"bad\.yaml: "):
        load_recipe(tmp_path / "bad.yaml")


def test_a_recipe_of_the_other_kind_is_refused(recipe: Callable[..., Path], target: Path, tmp_path: Path) -> None:
    source = SimpleNamespace(kind="url", path=recipe(**GIT))
    with pytest.raises(CytopipeError, match=r"of the kind git\n.*datasets\.x\.source\.kind to git"):
        fetch(source, target, dataset="x", cache=tmp_path / "cache")
