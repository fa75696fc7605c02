"""ONNX files with tensors in other files, wherever the file names them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cytopipe.deploy.onnx.external import refuse_external_data
from cytopipe.deploy.onnx.runtime import Session
from cytopipe.errors import CytopipeError


def tensor(outside: bool) -> TensorProto:
    made = numpy_helper.from_array(np.zeros(2, np.float32), "w")
    if outside:
        made.ClearField("raw_data")
        made.data_location = TensorProto.EXTERNAL
        made.external_data.add(key="location", value="../../../etc/passwd")
    return made


def graph(*nodes: onnx.NodeProto, initializer: TensorProto | None = None) -> onnx.GraphProto:
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    return helper.make_graph(list(nodes), "g", [], [out], [initializer] if initializer else [])


def model(place: str, outside: bool) -> bytes:
    one = helper.make_node("Constant", [], ["y"], value=tensor(outside and place != "initializer"))
    if place == "initializer":
        whole = graph(helper.make_node("Identity", ["w"], ["y"]), initializer=tensor(outside))
    elif place == "branch":
        yes = helper.make_node("Constant", [], ["yes"], value=helper.make_tensor("c", TensorProto.BOOL, [], [True]))
        branch = helper.make_node("If", ["yes"], ["y"], then_branch=graph(one), else_branch=graph(one))
        whole = graph(yes, branch)
    else:
        whole = graph(one)
    opsets = [helper.make_opsetid("", 17)]
    functions = [helper.make_function("own", "f", [], ["y"], [one], opsets)] if place == "function" else []
    if place == "function":
        whole = graph(helper.make_node("f", [], ["y"], domain="own"))
        opsets = [*opsets, helper.make_opsetid("own", 1)]
    return bytes(helper.make_model(whole, opset_imports=opsets, functions=functions).SerializeToString())


@pytest.mark.parametrize("place", ["initializer", "attribute", "branch", "function"])
def test_a_tensor_in_another_file_is_refused(place: str) -> None:
    refuse_external_data(model(place, outside=False))
    with pytest.raises(CytopipeError, match=r"the tensor 'w' is in another file, which is not read"):
        Session(model(place, outside=True), 1)


@pytest.mark.parametrize("data", [b"", b"nonsense", b"\x80\x04K\x01.", bytes(100)])
def test_what_is_no_model_is_refused_or_empty(data: bytes) -> None:
    if data:
        with pytest.raises(CytopipeError, match="this is no ONNX file"):
            refuse_external_data(data)
