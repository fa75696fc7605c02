"""The registry of architectures: a name, a task, a paper and a builder whose signature is the schema.

An architecture is registered where it is defined:

    @register("attention_unet", task="segmentation", paper="...", input_size=256)
    class DualHeadAttConvNeXtUNet(nn.Module): ...

Every classification model of timm is available too, as `timm/<name>` or by its plain name.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, ValidationError, create_model
from torch import nn

from cytopipe.errors import CytopipeError
from cytopipe.results.model_spec import Task

Probability = Annotated[float, Field(ge=0, lt=1)]
Builder = TypeVar("Builder", bound=Callable[..., nn.Module])

TIMM = "timm/<name>"
_ENTRIES: dict[str, Architecture] = {}


@dataclasses.dataclass(frozen=True)
class Architecture:
    """One entry of the registry.

    Attributes:
        name: its name in params.yaml.
        task: segmentation or classification.
        paper: the source that it follows.
        description: first line of the builder's docstring.
        input_size: side of the square images in its source, pixels.
        builder: class or function; its annotated signature defines the arguments.
    """

    name: str
    task: Task
    paper: str
    description: str
    input_size: int
    builder: Callable[..., nn.Module]

    @property
    def defaults(self) -> dict[str, Any]:
        """Default values of the optional arguments."""
        parameters = inspect.signature(self.builder, eval_str=True).parameters.values()
        return {p.name: p.default for p in parameters if p.default is not p.empty}

    def validate(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Validate arguments as `validate_arguments` does; raises CytopipeError."""
        return validate_arguments(self.builder, arguments, self.name)


def validate_arguments(builder: Callable[..., Any], arguments: dict[str, Any], where: str) -> dict[str, Any]:
    """Validate arguments against the annotated signature of a function, and fill in its defaults.

    They are validated as JSON, the form in which model.json stores them: a list becomes a tuple, "5" is not a number.

    Args:
        builder: the function.
        arguments: values by name.
        where: name of the function in messages.

    Returns:
        A value for every argument, of its annotated type.

    Raises:
        CytopipeError: an argument is unknown, missing, or of the wrong type or range.
    """
    parameters = inspect.signature(builder, eval_str=True).parameters.values()
    fields: dict[str, Any] = {p.name: (p.annotation, ... if p.default is p.empty else p.default) for p in parameters}
    schema = create_model("Arguments", __config__=ConfigDict(extra="forbid", strict=True), **fields)
    try:
        valid = schema.model_validate_json(json.dumps(arguments, default=repr))
    except ValidationError as error:
        # A misspelt argument is reported as unknown and as missing; the misspelling explains both.
        faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
        raise _fault(faults[0], list(fields), where) from None
    return {name: getattr(valid, name) for name in fields}


def _fault(fault: Any, known: list[str], where: str) -> CytopipeError:
    argument = fault["loc"][0]
    takes = f"it takes {', '.join(known)}"
    if fault["type"] == "extra_forbidden":
        near = nearest(argument, known)
        return CytopipeError(f"unknown argument '{argument}'", where=where, hint=f"{near} {takes}" if near else takes)
    if fault["type"] == "missing":
        return CytopipeError(f"argument '{argument}' is missing", where=where, hint=takes)
    place = ".".join(str(part) for part in fault["loc"])
    return CytopipeError(f"argument '{place}': {fault['msg']}, not {fault['input']!r:.200}", where=where)


def register(name: str, *, task: Task, paper: str, input_size: int) -> Callable[[Builder], Builder]:
    """Decorator that adds a builder, unchanged, to the registry.

    Args:
        name: unique name.
        task: "segmentation" (the model returns a dict of logits N x 1 x H x W) or "classification"
            (logits N x classes).
        paper: author, year and identifier of the source.
        input_size: side of the square images in the source, pixels.

    Raises:
        ValueError: the name is taken.
    """

    def enter(builder: Builder) -> Builder:
        if name in _ENTRIES:
            raise ValueError(f"two architectures are called {name}")
        description = (inspect.getdoc(builder) or "").partition("\n")[0]
        _ENTRIES[name] = Architecture(name, task, paper, description, input_size, builder)
        return builder

    return enter


@functools.cache
def _entries() -> dict[str, Architecture]:
    """The registry, filled by importing every module of `architectures`."""
    for module in _modules():
        _import(module)
    return _ENTRIES


@functools.cache
def _modules() -> frozenset[str]:
    """Names of the modules of `architectures`."""
    from cytopipe.models import architectures

    return frozenset(module.name for module in pkgutil.iter_modules(architectures.__path__))


def _import(module: str) -> None:
    importlib.import_module(f"cytopipe.models.architectures.{module}")


def architectures() -> list[Architecture]:
    """All entries, sorted by name; the entry `timm/<name>` stands for all models of timm."""
    return sorted(_entries().values(), key=lambda entry: entry.name)


def find(name: str) -> Architecture:
    """Look up an architecture by name.

    Raises:
        CytopipeError: there is no such architecture; the hint lists similar names.
    """
    if name in _modules():  # most are called as their module, so that not every module, nor timm, has to be imported
        _import(name)
        if name in _ENTRIES:
            return _ENTRIES[name]
    entries = _entries()
    if name in entries and name != TIMM:
        return entries[name]
    from cytopipe.models.without_compiler import timm

    model = name.removeprefix("timm/")
    if timm.is_model(model):
        entry = entries[TIMM]
        return dataclasses.replace(entry, name=f"timm/{model}", builder=functools.partial(entry.builder, model))
    known = [*(entry for entry in entries if entry != TIMM), *timm.list_models()]
    raise CytopipeError(
        f"there is no architecture '{name}'",
        hint=nearest(model, known) or f"one of {', '.join(sorted(entries))}",
    )


def build(name: str, /, **arguments: Any) -> nn.Module:
    """Build a network with random weights, in training mode, on the CPU.

    The weights are drawn from torch's global generator: call `torch.manual_seed` first. Nothing is downloaded; for
    pretrained weights see `cytopipe.models.pretrained.load_pretrained`.

    Raises:
        CytopipeError: the name or an argument is unknown, or an argument is missing or of the wrong type or range.
    """
    entry = find(name)
    return entry.builder(**entry.validate(arguments))


def count_parameters(model: nn.Module, *, trainable: bool = False) -> int:
    """Number of parameters, or of trainable parameters; buffers are not counted."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """A hint "did you mean ...?" with up to three names similar to `name`, or None if there are none."""
    near = difflib.get_close_matches(name.lower(), list(known), n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else None
