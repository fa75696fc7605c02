"""Parameters of searches: which network is varied, over which values, and how trials are judged."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, FiniteFloat, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from cytopipe.core.params.networks import Classifier, Network, Segmenter
from cytopipe.core.params.section import Section, describe

Objective = Literal["accuracy", "macro_f1", "loss", "dice"]
OBJECTIVES: dict[str, tuple[Objective, ...]] = {
    "classifier": ("accuracy", "macro_f1", "loss"),
    "segmenter": ("dice",),
}
# What a trial may not change, and why.
FIXED = {
    "dataset": "a search compares parameters on the same images",
    "pretrained": "the engines must know it beforehand; search once for each start",
    "from_search": "a search starts from parameters that are written down",
    "folds": "the search has folds of its own: searches.NAME.folds",
    "cross_fit": "the search has folds of its own: searches.NAME.folds",
    "seeds": "it changes no trial; give it to the classifier that takes the result",
    "refit": "it changes no trial; give it to the classifier that takes the result",
    "patients": "it changes no trial; give it to the classifier that takes the result",
    "guarantees": "it changes no trial; give it to the classifier that takes the result",
    "training.seed": "the best of many seeds is luck; the search has its own seed",
    "training.epochs": "it is what successive halving saves; set it in the base",
}


class Dimension(Section):
    """The values of one parameter: exactly one of these keys."""

    choice: tuple[Any, ...] | None = Field(None, min_length=1, description="any of these values")
    log: tuple[FiniteFloat, FiniteFloat] | None = Field(None, description="from low to high, on a logarithmic scale")
    uniform: tuple[FiniteFloat, FiniteFloat] | None = Field(None, description="from low to high")
    integer: tuple[int, int] | None = Field(None, description="whole numbers from low to high, both included")

    @model_validator(mode="after")
    def _one_kind(self) -> Dimension:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise PydanticCustomError("dimension", "give one of choice, log, uniform and integer")
        limits = self.log or self.uniform or self.integer
        if limits and not limits[0] < limits[1]:
            raise PydanticCustomError("dimension", "the second value must be larger than the first")
        if self.log and self.log[0] <= 0:
            raise PydanticCustomError("dimension", "a logarithmic scale has no zero; begin above it")
        if self.choice and len({repr(value) for value in self.choice}) < len(self.choice):
            raise PydanticCustomError("dimension", "a value stands twice")
        return self

    @property
    def examples(self) -> tuple[Any, ...]:
        """Every choice, or both ends of a range."""
        found: tuple[Any, ...] = self.choice or self.log or self.uniform or self.integer or ()
        return found


class SearchFolds(Section):
    """Folds of whole groups, of the training and validation images; test images belong to none."""

    inner: int = Field(3, ge=2, le=50, description="folds whose mean is the objective of a trial")
    outer: int = Field(0, ge=0, le=50, description="nested: the whole search is repeated in each; 0: not nested")

    @model_validator(mode="after")
    def _several(self) -> SearchFolds:
        if self.outer == 1:
            raise PydanticCustomError("folds", "outer is 0 (off) or at least 2")
        return self


class Halving(Section):
    """Successive halving: after `first`, `first * factor`, ... epochs a trial goes on if it is in the best share."""

    first: int = Field(1, ge=1, description="epochs before the first comparison")
    factor: int = Field(3, ge=2, le=100, description="one trial in so many goes on")


class Search(Section):
    """A search for the best parameters of a network."""

    base: str = Field(
        pattern=r"^(classifiers|segmenters)\.[a-z0-9][a-z0-9_-]*$",
        description="classifiers.NAME or segmenters.NAME: the network whose parameters are varied",
    )
    data: Path = Field(
        description="what the base learns from, for which the engines wait: data/tensors/DATASET of a classifier, "
        "data/organized/DATASET of a segmenter"
    )
    pretrained: Path = Field(description="the same as that of the base, for which the engines wait")
    space: dict[str, Dimension] = Field(min_length=1, description="values by path, such as training.learning_rate")
    trials: int = Field(30, ge=1, le=100_000)
    minutes: float | None = Field(
        None,
        gt=0,
        description="no trial starts once all together took so long; the number of trials then depends on the machine",
    )
    objective: Objective | None = Field(None, description="none: accuracy of classifiers, dice of segmenters")
    folds: SearchFolds = SearchFolds()
    halving: Halving | None = Field(Halving(), description="null: every trial is trained to its last epoch")
    sampler: Literal["tpe", "random"] = "tpe"
    startup: int = Field(10, ge=1, description="random trials before tpe learns from them")
    seed: int = Field(0, ge=0, le=2**31)

    @model_validator(mode="before")
    @classmethod
    def _one_base(cls, data: Any) -> Any:
        for kind in OBJECTIVES if isinstance(data, dict) else ():
            if kind in data:
                text = "write base: {kind}s.{name} instead of {kind}, so that dvc.yaml can depend on its parameters"
                raise PydanticCustomError("base", text, {"kind": kind, "name": str(data[kind])})
        return data

    @model_validator(mode="after")
    def _objective_fits(self) -> Search:
        if self.objective and self.objective not in OBJECTIVES[self.kind]:
            text = "objective: a {kind} has {known}, not {given}"
            known = ", ".join(OBJECTIVES[self.kind])
            raise PydanticCustomError("objective", text, {"kind": self.kind, "known": known, "given": self.objective})
        changed = sorted(set(self.space) & {"training.loss", "training.focal_gamma", "training.class_weights"})
        if self.objective == "loss" and changed:
            text = "objective: losses cannot be compared where the space changes {what}"
            raise PydanticCustomError("objective", text, {"what": changed[0]})
        return self

    @property
    def kind(self) -> str:
        """`classifier` or `segmenter`."""
        return self.base.partition(".")[0].removesuffix("s")

    @property
    def network(self) -> str:
        """Name of the network whose parameters are varied."""
        return self.base.partition(".")[2]

    @property
    def measure(self) -> Objective:
        """The objective, by name."""
        return self.objective or OBJECTIVES[self.kind][0]


def substitute(base: Network, found: Mapping[str, Any]) -> Any:
    """A network with other values at some paths.

    Args:
        base: the network.
        found: values by dotted path.

    Raises:
        ValidationError: a path is unknown, or a value does not fit.
    """
    values = deepcopy(base.model_dump(mode="json"))
    for path, value in found.items():
        *parents, last = path.split(".")
        part = values
        for parent in parents:
            if not isinstance(part.get(parent), dict):
                part[parent] = {}
            part = part[parent]
        part[last] = value
    return type(base).model_validate(values)


def refuse_unfit_searches(
    searches: Mapping[str, Search], segmenters: Mapping[str, Segmenter], classifiers: Mapping[str, Classifier]
) -> None:
    """Refuse a search of an absent or fixed network, of other data than its base's, or over unknown parameters.

    Raises:
        PydanticCustomError: the message names the key and what to write.
    """
    for name, search in searches.items():
        networks: Mapping[str, Network] = classifiers if search.kind == "classifier" else segmenters
        for fault in _faults(search, networks):
            raise PydanticCustomError("search", "searches.{name}.{fault}", {"name": name, "fault": fault})


def _faults(search: Search, networks: Mapping[str, Network]) -> Iterator[str]:
    base = networks.get(search.network)
    if base is None:
        yield f"base: there is no '{search.base}'; known: {', '.join(sorted(networks))}"
        return
    if base.from_search:
        yield f"base: '{search.base}' is itself made of a search; name one that is written down"
    if not isinstance(base, Classifier | Segmenter) or base.training is None:
        yield f"base: '{search.base}' needs no training, so that there is nothing to search for"
        return
    wanted = f"data/{'tensors' if search.kind == 'classifier' else 'organized'}/{base.dataset}"
    if search.data.as_posix() != wanted:
        yield f"data: '{search.base}' learns from {wanted}; write data: {wanted}"
    if search.pretrained != base.pretrained:
        yield f"pretrained: '{search.base}' starts from {base.pretrained}; write pretrained: {base.pretrained}"
    for path, dimension in search.space.items():
        reason = FIXED.get(path) or FIXED.get(path.partition(".")[0])
        if reason:
            yield f"space.{path}: it cannot be searched over: {reason}"
        if path == "training":
            yield "space.training: name the keys inside it, such as training.learning_rate"
        for value in dimension.examples:
            try:
                substitute(base, {path: value})
            except ValidationError as error:
                yield f"space.{path}: {describe(error)}"


def rungs(epochs: int, halving: Halving | None) -> list[int]:
    """The epochs after which trials are compared, and the last one."""
    if halving is None:
        return [epochs]
    steps = math.ceil(math.log(max(epochs, 2)) / math.log(halving.factor)) + 1
    between = [halving.first * halving.factor**step for step in range(steps)]
    return [*(epoch for epoch in between if epoch < epochs), epochs]
