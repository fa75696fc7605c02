"""Base classes of the contracts: JSON files that are read, checked and written in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, RootModel, ValidationError

from cytopipe.core.io.atomic import write_json
from cytopipe.core.params.section import describe
from cytopipe.errors import CytopipeError

MISSING = "run the stages that come before: dvc repro"
BROKEN = "run the stage that writes it again: dvc repro"
LARGEST = 1 << 30  # bytes
Content = TypeVar("Content")


class Record(BaseModel):
    """A part of a file: unknown keys are an error, it is immutable, and its numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _JsonFile(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check the file.

        Raises:
            CytopipeError: if the file is missing, unreadable, or not of this type.
        """
        return cls.parse(read_bytes(path), path)

    @classmethod
    def parse(cls, data: bytes, where: str | Path) -> Self:
        """Check the content of a file that is stored elsewhere, such as in a git revision.

        Args:
            data: UTF-8 JSON.
            where: the file, for error messages.

        Raises:
            CytopipeError: if the content is not of this type.
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
    """A JSON file with a fixed set of keys."""


class Collection(_JsonFile, RootModel[Content], Generic[Content]):
    """A JSON file that consists of one collection, such as a ranking for each dataset."""


def read_bytes(path: Path) -> bytes:
    """Read the content of a result file.

    Raises:
        CytopipeError: if it is missing or unreadable.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise CytopipeError(f"the file has more than {LARGEST:,} bytes", where=path, hint=BROKEN)
        return path.read_bytes()
    except FileNotFoundError:
        raise CytopipeError("this result is missing", where=path, hint=MISSING) from None
    except OSError as error:
        raise CytopipeError(f"cannot be read ({error.strerror})", where=path, hint=BROKEN) from None
