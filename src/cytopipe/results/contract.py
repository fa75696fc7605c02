"""The bases of the contracts: JSON files and CSV tables that are read, checked and written in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, RootModel, ValidationError

from cytopipe.errors import CytopipeError
from cytopipe.io.atomic import write_json
from cytopipe.params.section import describe

MISSING = "run the stages that come before: dvc repro"
BROKEN = "run the stage that writes it again: dvc repro"
Content = TypeVar("Content")


class Record(BaseModel):
    """A part of a file: it knows all its keys, never changes, and holds finite numbers only."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _JsonFile(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check the file.

        Raises:
            CytopipeError: when it is missing, unreadable, or not of this type.
        """
        return cls.parse(read_bytes(path), path)

    @classmethod
    def parse(cls, data: bytes, where: str | Path) -> Self:
        """Check the content of a file that lies elsewhere, such as in a git revision.

        Args:
            data: UTF-8 JSON.
            where: what an error calls the file.

        Raises:
            CytopipeError: when the content is not of this type.
        """
        try:
            return cls.model_validate_json(data, strict=True)
        except ValidationError as error:
            raise CytopipeError(f"not a valid result: {describe(error)}", where=where, hint=BROKEN) from None

    def write(self, path: Path) -> None:
        """Write indented JSON atomically, every float with six significant digits."""
        write_json(path, self.plain)

    @property
    def plain(self) -> Any:
        """The content as dictionaries, lists, strings and numbers."""
        return self.model_dump(mode="json")


class Contract(_JsonFile, Record):
    """A JSON file with fixed keys."""


class Collection(_JsonFile, RootModel[Content], Generic[Content]):
    """A JSON file that is nothing but a collection, such as one ranking for each dataset."""


def read_bytes(path: Path) -> bytes:
    """The content of a result.

    Raises:
        CytopipeError: when it is missing or unreadable.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise CytopipeError("this result is missing", where=path, hint=MISSING) from None
    except OSError as error:
        raise CytopipeError(f"cannot be read ({error.strerror})", where=path, hint=BROKEN) from None
