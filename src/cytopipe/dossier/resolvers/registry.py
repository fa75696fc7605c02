"""The registry of resolvers: functions that yield the facts of a run for the items that name them.

To let an item say more, write a function of a `Project` that yields facts and decorate it with `resolver`, in a module
that `resolvers/__init__` imports. Then name it under `from` of the items in `checklists/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cytopipe.dossier.facts import Fact
from cytopipe.dossier.project import Project

Facts = Iterator[Fact]


@dataclass(frozen=True)
class Resolver:
    """What yields the facts of one topic, and its title."""

    name: str
    title: str
    facts: Callable[[Project], Facts]


RESOLVERS: dict[str, Resolver] = {}


def resolver(function: Callable[[Project], Facts]) -> Callable[[Project], Facts]:
    """Register a function under its own name; its docstring is the title of its facts."""
    title = (function.__doc__ or function.__name__).strip().rstrip(".")
    RESOLVERS[function.__name__] = Resolver(function.__name__, title, function)
    return function
