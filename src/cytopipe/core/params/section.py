"""Base class of the sections of params.yaml, and the error messages of an invalid one."""

from __future__ import annotations

import difflib
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import PydanticCustomError

# Keys of earlier versions with their present names.
RENAMED = {"orientations": "tta", "finder": "detector"}
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$")]


class Section(BaseModel):
    """A mapping in params.yaml; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _suggest_the_nearest_key(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for key in data:
                if key not in cls.model_fields:
                    if RENAMED.get(key) in cls.model_fields:
                        text = "'{key}' is now called '{known}'"
                        raise PydanticCustomError("renamed_key", text, {"key": key, "known": RENAMED[key]})
                    near = difflib.get_close_matches(str(key), cls.model_fields, n=1, cutoff=0.5)
                    known = near[0] if near else ", ".join(cls.model_fields)
                    text = "unknown key '{key}'; did you mean: {known}"
                    raise PydanticCustomError("unknown_key", text, {"key": key, "known": known})
        return data


def later_key(default: Any, **more: Any) -> Any:
    """The field of a key that came later than others: files written while it has its default keep their bytes."""
    return Field(default, exclude_if=lambda value: value == default, **more)


def describe(error: ValidationError) -> str:
    """Describe every error of a validation: the key, the reason and the given value."""
    faults = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"])
        given = fault.get("input")
        shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
        faults.append(f"{key + ': ' if key else ''}{fault['msg']}{shown}")
    return "; ".join(faults)
