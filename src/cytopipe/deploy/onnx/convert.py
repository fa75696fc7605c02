"""A torch module as the bytes of one ONNX file, the same for the same module."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

import cytopipe
from cytopipe.deploy.onnx.source import INPUT
from cytopipe.errors import CytopipeError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

OPSET = 20  # of the operators; ONNX Runtime reads it from 1.17 on
LARGEST = 2**31 - 1  # bytes of a protocol buffer
CHATTY = ("torch", "torch.onnx", "torch.export", "onnxscript", "onnx_ir")  # loggers


def to_onnx(
    graph: nn.Module, example: np.ndarray, outputs: Sequence[str], metadata: Mapping[str, str], description: str
) -> bytes:
    """Trace a module with a batch of any size.

    Args:
        graph: in evaluation mode, on the CPU; from one tensor to one or more.
        example: N x S x S x C uint8, N of 2 or more; other inputs have its shape but for N.
        outputs: names of what the graph returns.
        metadata: of the file.
        description: of the file, for people.

    Raises:
        CytopipeError: torch cannot trace or translate the module, or it does not fit one file.
    """
    import onnx

    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                graph,
                (torch.from_numpy(example),),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=list(outputs),
                dynamic_shapes=({0: torch.export.Dim("N", min=1)},),
                verbose=False,
            )
            assert program is not None
            model = program.model_proto
        _strip(model)
        # Not torch's version, whose name differs between its builds.
        model.producer_name, model.producer_version = "cytopipe", cytopipe.__version__
        model.doc_string = description
        onnx.helper.set_model_props(model, dict(sorted(metadata.items())))
        if model.ByteSize() > LARGEST:
            raise CytopipeError("the network is larger than the 2 GB that one ONNX file can hold")
        onnx.checker.check_model(model, full_check=True)
    except CytopipeError:
        raise
    except Exception as error:  # torch and onnx raise a dozen kinds, and each means the same here
        raise CytopipeError(
            f"torch cannot translate this network to ONNX: {_first_line(error)}", hint="--debug shows where"
        ) from error
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _strip(model: ModelProto) -> None:
    """Take out the traces of the exporter: source lines and paths of the machine that wrote the file."""

    def strip(graph: GraphProto) -> None:
        del graph.metadata_props[:]
        for part in (*graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
            del part.metadata_props[:]
            part.doc_string = ""
        for node in graph.node:
            for attribute in node.attribute:
                attribute.doc_string = ""
                for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                    strip(inner)

    strip(model.graph)
    for function in model.functions:
        del function.metadata_props[:]
        for node in function.node:
            del node.metadata_props[:]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's warnings, log lines and progress."""
    loggers = [logging.getLogger(name) for name in CHATTY]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _first_line(error: BaseException) -> str:
    """The first cause of an error, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
