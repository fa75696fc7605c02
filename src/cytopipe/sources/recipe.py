"""Recipes in workflow/sources/: where a publisher keeps a dataset, under which terms, and how to cite it."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from cytopipe.core.params import Section
from cytopipe.core.params.encodings import Encoding
from cytopipe.core.params.yaml_text import load_yaml
from cytopipe.errors import CytopipeError

# Without encryption anybody on the way reads along and answers; no way leads out of this machine.
_ENCRYPTED = r"https://\S+|http://(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?/\S*"
_SSH_OR_HERE = r"(?:ssh|file)://[^\s-]\S*"  # a host that begins with - would be an option of ssh


def is_encrypted(url: str) -> bool:
    """Whether a URL is https, or http on this machine itself."""
    return bool(re.fullmatch(_ENCRYPTED, url))


class _Recipe(Section):
    """The keys that every recipe has."""

    home: str = Field(description="the publisher's page")
    licence: str
    citation: str
    manual: bool = Field(False, description="the files must be downloaded by hand: registration, a form, a licence")
    instructions: str = Field("", description="what to download by hand")

    @model_validator(mode="after")
    def _manual_ones_say_what_to_do(self) -> _Recipe:
        if self.manual and not self.instructions:
            raise PydanticCustomError("instructions", "a manual recipe needs instructions")
        return self


class UrlRecipe(_Recipe):
    """One file behind a URL, fixed by its SHA-256."""

    kind: Literal["url"]
    url: Annotated[str, StringConstraints(pattern=f"^(?:{_ENCRYPTED})$")] | None = None
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    filename: Annotated[str, StringConstraints(pattern=r"^[^/\\]+$")] | None = None
    names: Encoding | None = Field(None, description="encoding of the file names in a zip that does not say it")

    @model_validator(mode="after")
    def _automatic_ones_are_complete(self) -> UrlRecipe:
        if not self.manual and (self.url is None or self.sha256 is None):
            raise PydanticCustomError("incomplete", "url and sha256 are required")
        return self


class GitRecipe(_Recipe):
    """Some paths of one commit of a git repository."""

    kind: Literal["git"]
    url: Annotated[str, StringConstraints(pattern=f"^(?:{_ENCRYPTED}|{_SSH_OR_HERE})$")]
    commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
    paths: tuple[str, ...] = Field(min_length=1, description="files and folders, from the repository's root")

    @field_validator("paths")
    @classmethod
    def _paths_stay_in_the_repository(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            plain = PurePosixPath(path)
            if not plain.parts or plain.is_absolute() or ".." in plain.parts or "\n" in path:
                raise PydanticCustomError("path", "'{path}' is not a path inside a repository", {"path": path})
        return tuple(PurePosixPath(path).as_posix() for path in paths)


Recipe = TypeVar("Recipe", UrlRecipe, GitRecipe)
_RECIPE: TypeAdapter[UrlRecipe | GitRecipe] = TypeAdapter(Annotated[UrlRecipe | GitRecipe, Field(discriminator="kind")])


def load_recipe(path: Path) -> UrlRecipe | GitRecipe:
    """Read and validate a recipe.

    Raises:
        CytopipeError: when the file is missing, is not YAML, or a key is unknown, missing or malformed.
    """
    try:
        data: Any = load_yaml(Path(path).read_text(encoding="utf-8-sig"))
        return _RECIPE.validate_python(data)
    except UnicodeDecodeError:
        raise CytopipeError("a recipe is UTF-8 text", where=path, hint="save it as UTF-8") from None
    except IsADirectoryError:
        raise CytopipeError(
            "this is a folder, no recipe", where=path, hint="recipes lie in workflow/sources/"
        ) from None
    except FileNotFoundError:
        raise CytopipeError("no such recipe", where=path, hint="recipes lie in workflow/sources/") from None
    except yaml.YAMLError as error:
        raise CytopipeError(f"not valid YAML: {error}", where=path) from None
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc'][1:]))}: {fault['msg']}" for fault in error.errors())
        raise CytopipeError("; ".join(fault.removeprefix(": ") for fault in faults), where=path) from None


def automatic_recipe(path: Path, kind: type[Recipe], dataset: str) -> Recipe:
    """Read a recipe of one kind whose files can be downloaded without a person.

    Raises:
        CytopipeError: as `load_recipe`; when the recipe is of the other kind; when the files
            must be downloaded by hand, with where to go, what to get and how to continue.
    """
    recipe = load_recipe(path)
    if not isinstance(recipe, kind):
        raise CytopipeError(
            f"this recipe is of the kind {recipe.kind}",
            where=path,
            hint=f"set datasets.{dataset}.source.kind to {recipe.kind}",
        )
    if recipe.manual:
        raise CytopipeError(
            f"the files must be fetched by hand from {recipe.home}: {recipe.instructions.strip()}",
            where=path,
            hint=use_archive(dataset),
        )
    return recipe


def use_archive(dataset: str) -> str:
    """How to continue with files that were downloaded by hand."""
    return (
        "then run: cytopipe preset <preset> --archive FILE "
        f"(or set datasets.{dataset}.source to {{kind: archive, path: FILE}})"
    )
