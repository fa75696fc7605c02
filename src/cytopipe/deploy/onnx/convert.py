"""Convert a torch module to the bytes of an ONNX file; equal modules give equal bytes."""

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

OPSET = 20  # version of the operator set; ONNX Runtime supports it since 1.17
LARGEST = 2**31 - 1  # maximal size of a protocol buffer, bytes
CHATTY = ("torch", "torch.onnx", "torch.export", "onnxscript", "onnx_ir")  # loggers to silence


def to_onnx(
    graph: nn.Module, example: np.ndarray, outputs: Sequence[str], metadata: Mapping[str, str], description: str
) -> bytes:
    """Convert a module; the batch size stays variable.

    Args:
        graph: module in evaluation mode on the CPU, from one tensor to one or several.
        example: example input, N x S x S x C uint8 with N >= 2; S and C are fixed.
        outputs: names of the outputs.
        metadata: metadata of the file.
        description: description of the file, for people.

    Returns:
        Contents of the ONNX file.

    Raises:
        CytopipeError: torch cannot convert the module, or it exceeds the maximal size of a file.
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
        # Not the version of torch, which differs between builds.
        model.producer_name, model.producer_version = "cytopipe", cytopipe.__version__
        model.doc_string = description
        onnx.helper.set_model_props(model, dict(sorted(metadata.items())))
        if model.ByteSize() > LARGEST:
            raise CytopipeError("the network is larger than the 2 GB that one ONNX file can hold")
        onnx.checker.check_model(model, full_check=True)
    except CytopipeError:
        raise
    except Exception as error:  # torch and onnx raise many types, which all mean the same here
        raise CytopipeError(
            f"torch cannot translate this network to ONNX: {_first_line(error)}", hint="--debug shows where"
        ) from error
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _strip(model: ModelProto) -> None:
    """Remove traces of the exporter: source lines and paths of this machine."""

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
    """Silence the warnings, log messages and progress of the exporter."""
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
    """First line of the message of an error's root cause."""
    while error.__cause__ is not None:
        error = error.__cause__
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
