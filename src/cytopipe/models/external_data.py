"""Refuse ONNX files that keep weights in other files: such a file names paths, which whoever wrote it chose."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from cytopipe.errors import CytopipeError

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, TensorProto


def refuse_external_data(data: bytes, where: str = "the ONNX file") -> None:
    """Check that every tensor is in the file itself, those of functions, branches and attributes too.

    Args:
        data: contents of the file.
        where: the file, for messages.

    Raises:
        CytopipeError: it is no ONNX file, or a tensor is in another file.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load_from_string(data)  # from bytes no other file is read
    except (DecodeError, ValueError):
        raise CytopipeError(
            "this is no ONNX file, or it is damaged", where=where, hint="export the model again"
        ) from None
    inner = (attribute for function in model.functions for node in function.node for attribute in node.attribute)
    for tensor in chain(_of_graph(model.graph), chain.from_iterable(map(_of_attribute, inner))):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise CytopipeError(
                f"the tensor '{tensor.name[:60]}' is in another file, which is not read",
                where=where,
                hint="save the model as one file: cytopipe export",
            )


def _of_graph(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from _of_attribute(attribute)


def _of_attribute(attribute: AttributeProto) -> Iterator[TensorProto]:
    yield attribute.t
    yield from attribute.tensors
    for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
        yield from (sparse.values, sparse.indices)
    for graph in (attribute.g, *attribute.graphs):
        if graph.node or graph.initializer:
            yield from _of_graph(graph)
