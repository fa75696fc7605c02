"""The biology table: what a phantom's YAML may say, checked key by key.

Lengths are in pixels of a full-size field, areas in their squares, optical densities in decades.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol, Self, TypeVar

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cytopipe.core.params.yaml_text import load_yaml
from cytopipe.errors import CytopipeError
from cytopipe_phantoms import exact

Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0)]
ClassName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]  # it names folders


class BiologyTable(Protocol):
    """The model of a table: the traits of each class, and other keys that its layout needs."""

    @property
    def classes(self) -> Mapping[str, Any]:
        """A section for each class."""

    @classmethod
    def model_validate(cls, obj: Any) -> Self:
        """Check the content of a file."""


Table = TypeVar("Table", bound=BiologyTable)


class Section(BaseModel):
    """A mapping of the table; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Normal(Section):
    """A normal distribution cut off at `low` and `high`, of which `mean` is the peak."""

    floor: ClassVar[float] = -np.inf
    ceiling: ClassVar[float] = np.inf

    mean: float
    sd: Amount
    low: float
    high: float

    @model_validator(mode="after")
    def _peak_within_limits(self) -> Self:
        if not self.low <= self.mean <= self.high:
            raise ValueError(f"mean {self.mean:g} is outside low {self.low:g} to high {self.high:g}")
        if self.low < self.floor or self.high > self.ceiling:
            raise ValueError(f"low and high must lie within {self.floor:g} to {self.ceiling:g}")
        return self

    def draw(self, rng: np.random.Generator) -> float:
        """One value, by inversion: always one random number, and no heap at the limits."""
        return self.quantile(rng.random())

    def quantile(self, u: float) -> float:
        """The value below which the share `u` of the distribution lies."""
        if self.sd == 0:
            return self.mean
        low, high = (_share_below((limit - self.mean) / self.sd) for limit in (self.low, self.high))
        share = low + u * (high - low)
        if not 0 < share < 1:
            return self.low if share <= 0 else self.high
        return min(max(self.mean + self.sd * exact.normal_quantile(share), self.low), self.high)


class NormalAmount(Normal):
    """A normal distribution of a quantity that is never negative."""

    floor: ClassVar[float] = 0.0


class NormalShare(NormalAmount):
    """A normal distribution of a share, 0 to 1."""

    ceiling: ClassVar[float] = 1.0


class NormalRatio(Normal):
    """A normal distribution of a long axis over a short one."""

    floor: ClassVar[float] = 1.0
    ceiling: ClassVar[float] = 4.0


class NormalRadius(Normal):
    """A normal distribution of a cell's radius."""

    floor: ClassVar[float] = 10.0


class Shape(Section):
    """Outline of the cytoplasm."""

    radius: NormalRadius
    elongation: NormalRatio
    cornerness: NormalShare
    irregularity: NormalShare
    processes: Amount
    folds: Amount


class Nucleus(Section):
    """The nucleus: size, place, shape and chromatin."""

    nc_ratio: NormalShare
    elongation: NormalRatio
    irregularity: NormalShare
    eccentricity: NormalShare
    hyperchromasia: NormalAmount
    granularity: NormalAmount
    nucleoli: Share


class Dyes(Section):
    """Shares of the cells in which each counterstain leads."""

    eosin: Amount
    orange_g: Amount
    light_green: Amount

    @model_validator(mode="after")
    def _some_dye(self) -> Self:
        if self.eosin + self.orange_g + self.light_green <= 0:
            raise ValueError("at least one dye needs a share above 0")
        return self


class Cytoplasm(Section):
    """Staining and texture of the cytoplasm."""

    dyes: Dyes
    purity: NormalShare
    density: NormalAmount
    dome: NormalShare
    granularity: NormalShare
    edge: NormalAmount
    vacuoles: Amount


class Halo(Section):
    """Pale zone about the nucleus."""

    probability: Share
    strength: NormalShare
    extent: NormalShare


class Grouping(Section):
    """How the cells of a field lie."""

    clustered: Share
    overlap: Share


class CellClass(Section):
    """One class of cells."""

    shape: Shape
    nucleus: Nucleus
    cytoplasm: Cytoplasm
    halo: Halo
    grouping: Grouping


class FieldOfView(Section):
    """Size of a field and what is annotated in it."""

    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]
    cells_spread: Annotated[int, Field(ge=0)]
    crop_margin: Share


class Slide(Section):
    """Properties that differ from slide to slide."""

    dye_gain_sd: Amount
    dye_hue_sd: Amount
    dye_preference_sd: Amount
    brightness: NormalAmount
    warmth: Normal
    gradient: NormalShare
    vignette: NormalShare
    blur: NormalAmount
    depth: NormalAmount
    noise: NormalAmount
    film: NormalAmount


class Clutter(Section):
    """Objects between the annotated cells; mean numbers in a field."""

    border_cells: Amount
    border_cells_of_own_class: Share
    leukocytes: Amount
    leukocytes_spread: Amount
    debris: Amount
    sheets: Amount
    mucus: Share


class Phantom(Section):
    """The whole table."""

    field: FieldOfView
    slide: Slide
    clutter: Clutter
    classes: Annotated[dict[ClassName, CellClass], Field(min_length=1)]


_share_below = lru_cache(maxsize=4096)(exact.normal_share)  # the limits of a table's distributions are few


def read_table(path: Path, model: type[Table], classes: Sequence[str] | None = None) -> Table:
    """Reads and checks a biology table of the given model.

    Args:
        path: of the YAML file.
        model: of the table.
        classes: that it must have, in this order; None for any.

    Raises:
        CytopipeError: the file cannot be read, is not YAML, or a key is missing, unknown or out of range;
            the message names the key. Or it has other classes.
    """
    try:
        table = load_yaml(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise CytopipeError("a phantom's table is UTF-8 text", where=path, hint="save it as UTF-8") from None
    except OSError as error:
        raise CytopipeError(f"cannot read the phantom's table: {error.strerror}", where=path) from error
    except yaml.YAMLError as error:
        raise CytopipeError(f"not valid YAML: {error}", where=path) from error
    try:
        found = model.model_validate(table)
    except ValidationError as error:
        raise _explain(error, path) from error
    if classes is not None and list(found.classes) != list(classes):
        raise CytopipeError(
            f"this layout has the classes {', '.join(classes)}; the table has {', '.join(found.classes)}",
            where=f"{path}: classes",
            hint="name the layout's own table in the source's path",
        )
    return found


def _explain(error: ValidationError, path: Path) -> CytopipeError:
    """The first fault of a table, in a user's words."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    where = f"{path}: {key}" if key else str(path)
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(first["loc"][-1]), _keys(), n=1)
        return CytopipeError("unknown key", where=where, hint=f"did you mean `{near[0]}`?" if near else None)
    if first["type"] == "missing":
        return CytopipeError("this key is missing", where=where)
    got = "" if isinstance(first["input"], dict) else f", not {first['input']!r}"
    return CytopipeError(first["msg"].removeprefix("Value error, ") + got, where=where)


def _keys() -> list[str]:
    """Every key that some section of the table knows."""
    return sorted({name for section in Section.__subclasses__() for name in section.model_fields})
