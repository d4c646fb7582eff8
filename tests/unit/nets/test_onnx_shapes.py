"""Shapes within a network: those that onnx infers, and refusals of what does not fit."""

import numpy as np
import pytest
from tests.unit.nets.fakes import card

from kiview.nets.onnx_file import read_graph
from kiview.nets.onnx_shapes import shapes
from kiview.nets.preprocess import CHANNEL_COUNT
from kiview.nets.protobuf import MalformedError

onnx = pytest.importorskip("onnx", reason="platform: onnx is not installed")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402 - after the skip

CONTENT = card().network.read()


def test_that_shapes_agree_with_those_that_onnx_infers():
    shape = (2, CHANNEL_COUNT, 32, 48)
    model = onnx.load_from_string(CONTENT)
    for dim, size in zip(model.graph.input[0].type.tensor_type.shape.dim, shape, strict=True):
        dim.dim_value = size
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    found = shapes(read_graph(CONTENT), shape)
    compared = 0
    for value in inferred.graph.value_info:
        sizes = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        assert found[value.name] == sizes, value.name
        compared += 1
    assert compared > 30


# Operators that the shipped network has no use for, against the shapes that onnx infers.


def one_node(operator, inputs, outputs, constants, **attributes):
    names = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(operator, inputs, names, **attributes)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 8, 12, 20])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names],
        [numpy_helper.from_array(np.asarray(v), n) for n, v in constants.items()],
    )
    for output in graph.output:
        output.type.tensor_type.shape.SetInParent()
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])


SINGLE = [
    ("MaxPool", ["x"], 1, {}, {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    ("AveragePool", ["x"], 1, {}, {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1]}),
    ("Conv", ["x", "w"], 1, {"w": np.zeros((6, 4, 3, 3), np.float32)}, {"group": 2}),
    ("Slice", ["x", "a", "b", "c"], 1, {"a": [1], "b": [-2], "c": [2]}, {}),
    ("Slice", ["x", "a", "b", "c", "d"], 1, {"a": [9], "b": [-99], "c": [3], "d": [-2]}, {}),
    ("Split", ["x", "s"], 2, {"s": [3, 5]}, {"axis": 1}),
    ("Split", ["x"], 3, {}, {"axis": 1, "num_outputs": 3}),
    ("Unsqueeze", ["w", "a"], 1, {"w": np.zeros((3, 4), np.float32), "a": [0, -1]}, {}),
    ("Squeeze", ["w", "a"], 1, {"w": np.zeros((3, 1, 4), np.float32), "a": [-2]}, {}),
    ("ReduceMean", ["x", "a"], 1, {"a": [1, -1]}, {"keepdims": 0}),
    ("ReduceSum", ["x", "a"], 1, {"a": [2]}, {}),
    ("ReduceMax", ["x"], 1, {}, {"keepdims": 0}),
    ("DepthToSpace", ["x"], 1, {}, {"blocksize": 2}),
    ("SpaceToDepth", ["x"], 1, {}, {"blocksize": 2}),
    ("Gather", ["x", "i"], 1, {"i": [0, 1, 2]}, {"axis": -3}),
    ("Constant", [], 1, {}, {"value": numpy_helper.from_array(np.zeros((2, 3), np.float32))}),
    ("Where", ["c", "x", "w"], 1, {"c": [True], "w": np.zeros((8, 1, 1), np.float32)}, {}),
    ("Cast", ["x"], 1, {}, {"to": TensorProto.INT64}),
    ("Exp", ["x"], 1, {}, {}),
]


@pytest.mark.parametrize("case", SINGLE, ids=lambda case: case[0])
def test_that_the_rule_of_an_operator_agrees_with_onnx(case):
    operator, inputs, outputs, constants, attributes = case
    model = one_node(operator, inputs, outputs, constants, **attributes)
    graph = read_graph(model.SerializeToString())
    found = shapes(graph, (2, 8, 12, 20))
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    if operator == "Cast":
        model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    for value in inferred.graph.output:
        sizes = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        assert found[value.name] == sizes


@pytest.mark.parametrize(
    ("case", "told"),
    [
        (("Split", ["x", "s"], 2, {"s": [3, 6]}, {"axis": 1}), "Split does not fit"),
        (("Split", ["x", "s"], 3, {"s": [3, 5]}, {"axis": 1}), "too many outputs"),
        (("Squeeze", ["x", "a"], 1, {"a": [1]}, {}), "Squeeze does not fit"),
        (("Concat", ["x", "w"], 1, {"w": np.zeros((1, 8), np.float32)}, {"axis": 1}), "Concat"),
        (("Conv", ["x", "w"], 1, {"w": np.zeros((6, 4, 3, 3), np.float32)}, {}), "Conv"),
        (("Slice", ["x", "a", "a"], 1, {"a": np.zeros(65, np.int64)}, {}), "too many numbers"),
        (("Constant", [], 1, {}, {"value_int": 3}), "no tensor"),
        (("SpaceToDepth", ["x"], 1, {}, {"blocksize": 0}), "SpaceToDepth does not fit"),
        (("Gather", ["x", "i"], 1, {"i": np.zeros((40, 40), np.int64)}, {"axis": 1}), "a shape"),
    ],
    ids=range(9),
)
def test_that_an_operator_that_does_not_fit_is_refused(case, told):
    operator, inputs, outputs, constants, attributes = case
    content = one_node(operator, inputs, outputs, constants, **attributes).SerializeToString()
    with pytest.raises(MalformedError, match=told):
        shapes(read_graph(content), (2, 8, 12, 20))
