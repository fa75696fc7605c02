"""From a trial of Optuna to the parameters of a network."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

from optuna.trial import Trial
from pydantic import ValidationError

from cytopipe.core.params import Dimension, Search, describe
from cytopipe.core.params.searches import substitute
from cytopipe.errors import CytopipeError
from cytopipe.models.registry import find, nearest
from cytopipe.search.learner import Config, Learner

ARCHITECTURE, ARGUMENTS = "architecture", "arguments."


def draw(trial: Trial, search: Search, learner: Learner) -> dict[str, Any]:
    """Ask the sampler for a value of every parameter that the drawn architecture takes; values by path.

    The architecture is drawn first: `arguments.width` of a plain network means nothing to one of timm, and is then left
    out.
    """
    order = sorted(search.space, key=lambda path: (path != ARCHITECTURE, path))
    found: dict[str, Any] = {}
    for path in order:
        if path.startswith(ARGUMENTS):
            taken = learner.arguments(found.get(ARCHITECTURE, learner.base.architecture))
            if path.split(".")[1] not in taken:
                continue
        found[path] = _draw(trial, path, search.space[path])
    return found


def _draw(trial: Trial, path: str, dimension: Dimension) -> Any:
    if dimension.choice is not None:
        # Categories of Optuna are scalars; as JSON they may be lists, such as the kernel size of each block.
        return json.loads(
            trial.suggest_categorical(path, [json.dumps(value, sort_keys=True) for value in dimension.choice])
        )
    if dimension.integer is not None:
        return trial.suggest_int(path, *dimension.integer)
    low, high = dimension.examples
    return trial.suggest_float(path, low, high, log=dimension.log is not None)


def configure(learner: Learner, found: Mapping[str, Any], name: str) -> Config:
    """The base with the values that were found.

    Arguments of the base that another architecture does not take are left out.

    Raises:
        CytopipeError: the values do not go together.
    """
    try:
        config: Config = substitute(learner.base, found)
    except ValidationError as error:
        raise CytopipeError(describe(error), where=f"searches.{name}.space") from None
    if config.architecture == learner.base.architecture:
        return config
    taken = learner.arguments(config.architecture)
    kept = {key: value for key, value in config.arguments.items() if key in taken}
    return config.model_copy(update={"arguments": kept})


def check_arguments(search: Search, learner: Learner, name: str) -> None:
    """Check that each architecture exists, and that some architecture takes each argument.

    Raises:
        CytopipeError: one is unknown; the hint names the nearest.
    """
    chosen = search.space.get(ARCHITECTURE)
    architectures = list(chosen.examples) if chosen else [learner.base.architecture]
    taken = frozenset[str]().union(*(learner.arguments(str(one)) for one in architectures))
    for path in search.space:
        argument = path.split(".")[1] if path.startswith(ARGUMENTS) else ""
        if argument and argument not in taken:
            raise CytopipeError(
                f"no architecture of this search takes the argument '{argument}'",
                where=f"searches.{name}.space.{path}",
                hint=nearest(argument, taken) or f"they take {', '.join(sorted(taken))}",
            )


def argument_names(architecture: str) -> frozenset[str]:
    """Names of the arguments that an architecture takes.

    Raises:
        CytopipeError: there is no such architecture.
    """
    return frozenset(inspect.signature(find(architecture).builder).parameters)
