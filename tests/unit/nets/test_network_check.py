"""Crafted and damaged network files: each is refused in a sentence, none is run."""

import dataclasses
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.nets.fakes import card

from kiview.core.errors import NetworkError
from kiview.nets import onnx_file
from kiview.nets.network_check import check_network
from kiview.nets.onnx_file import read_graph
from kiview.nets.onnx_shapes import shapes
from kiview.nets.preprocess import CHANNEL_COUNT
from kiview.nets.protobuf import MalformedError

onnx = pytest.importorskip("onnx", reason="platform: onnx is not installed")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402 - after the skip

NETWORK = card()
CONTENT = NETWORK.network.read()


def graph_of(change):
    """The shipped network after a change to its graph or model, as bytes."""
    model = onnx.load_from_string(CONTENT)
    change(model)
    return model.SerializeToString()


def weight(model, name="head.weight"):
    return next(i for i in model.graph.initializer if i.name == name)


def append(model, operator, inputs, output="more", **attributes):
    model.graph.node.append(helper.make_node(operator, inputs, [output], **attributes))


def constant(model, name, values):
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))


def test_that_the_shipped_network_passes_quickly_and_agrees_with_onnx():
    started = time.perf_counter()
    check_network(NETWORK, CONTENT)
    assert time.perf_counter() - started < 1.0
    graph = read_graph(CONTENT)
    reference = onnx.load_from_string(CONTENT).graph
    assert [node.operator for node in graph.nodes] == [node.op_type for node in reference.node]
    for tensor in reference.initializer:
        expected = numpy_helper.to_array(tensor)
        found = graph.tensors[tensor.name]
        np.testing.assert_array_equal(found.values.reshape(found.shape), expected)


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


def external(model):
    tensor = weight(model)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")


def flagged_external(model):
    weight(model).data_location = TensorProto.EXTERNAL


def custom_operator(model):
    model.graph.node[0].domain = "com.example"


def custom_opset(model):
    model.opset_import.append(helper.make_opsetid("com.example", 1))


def old_opset(model):
    model.opset_import[0].version = 7


def model_function(model):
    model.functions.append(
        helper.make_function(
            "here", "f", ["x"], ["y"], [helper.make_node("Relu", ["x"], ["y"])], model.opset_import
        )
    )


def loop(model):
    body = helper.make_graph([], "body", [], [])
    append(model, "Loop", ["", ""], body=body)


def unknown_operator(model):
    append(model, "ConstantOfShape", ["ki"])


def expand(model):
    constant(model, "huge", np.array([1 << 30, 1 << 30]))
    append(model, "Expand", ["ki", "huge"])


def sparse(model):
    values = helper.make_tensor("s", TensorProto.FLOAT, [1], [1.0])
    indices = helper.make_tensor("i", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4]))


def huge_shape(model):
    weight(model).dims[0] = 1 << 40


def negative_shape(model):
    weight(model).dims[0] = -2


def deep_shape(model):
    weight(model).dims.extend([1] * 20)


def truncated_values(model):
    weight(model).raw_data = weight(model).raw_data[:-4]


def typed_values(model):
    tensor = weight(model)
    tensor.float_data.extend(numpy_helper.to_array(tensor).ravel().tolist())
    tensor.ClearField("raw_data")


def texts(model):
    model.graph.initializer.append(helper.make_tensor("t", TensorProto.STRING, [1], [b"x"]))


def nan_weight(model):
    values = numpy_helper.to_array(weight(model)).copy()
    values[0, 0] = np.nan
    weight(model).raw_data = values.tobytes()


def infinite_constant(model):
    constant(model, "endless", np.array(np.inf, np.float32))


def renamed_weight(model):
    weight(model).name = "other"
    for node in model.graph.node:
        node.input[:] = ["other" if name == "head.weight" else name for name in node.input]


def unlisted_weight(model):
    constant(model, "hidden", np.zeros(65, np.float32))


def moved_weight(model):
    model.producer_name += "!"


def twice_named(model):
    constant(model, "head.bias", np.zeros(2, np.float32))


def renamed_input(model):
    model.graph.input[0].name = "x"
    for node in model.graph.node:
        node.input[:] = ["x" if name == "features" else name for name in node.input]


def input_among_the_weights(model):
    constant(model, "features", np.zeros(2, np.float32))


def more_inputs(model):
    model.graph.input.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, [1]))


def other_channels(model):
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 30


def double_input(model):
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE


def shapeless_input(model):
    model.graph.input[0].type.tensor_type.ClearField("shape")


def more_outputs(model):
    append(model, "Neg", ["ki"])
    model.graph.output.append(
        helper.make_tensor_value_info("more", TensorProto.FLOAT, ["b", "y", "x"])
    )


def output_of_another_size(model):
    model.graph.node[-1].output[0] = "inner"
    constant(model, "scales", np.array([1, 2, 1], np.float32))
    append(model, "Resize", ["inner", "", "scales"], "v")


def no_such_value(model):
    append(model, "Neg", ["nothing"])


def made_twice(model):
    append(model, "Neg", ["ki"], "ki")


def doubling(model):
    name = "leaky_relu"
    for i in range(12):
        append(model, "Concat", [name, name], f"twice{i}", axis=1)
        name = f"twice{i}"


def many_large(model):
    append(model, "Concat", ["leaky_relu"] * 100, "wide", axis=1)
    for i in range(10):
        append(model, "Neg", ["wide"], f"wide{i}")


def enlarging(model):
    constant(model, "scales", np.array([1, 1, 1e6, 1e6], np.float32))
    append(model, "Resize", ["leaky_relu", "", "scales"])


def sizes_by_computation(model):
    append(model, "Resize", ["leaky_relu", "", "ki"])


def padding(model):
    append(model, "AveragePool", ["leaky_relu"], kernel_shape=[2, 2], pads=[0, 0, 10**9, 10**9])


def vanishing(model):
    append(model, "AveragePool", ["leaky_relu"], kernel_shape=[500, 500])


def standing_still(model):
    append(model, "AveragePool", ["leaky_relu"], kernel_shape=[2, 2], strides=[0, 0])


def to_text(model):
    append(model, "Cast", ["ki"], to=TensorProto.STRING)


def five_axes(model):
    constant(model, "axes", np.array([0]))
    append(model, "Unsqueeze", ["features", "axes"])


def fitting_nothing(model):
    append(model, "Add", ["features", "head.weight"])


CRAFTED = {
    external: "data outside the file",
    flagged_external: "data outside the file",
    custom_operator: "operators of 'com.example'",
    custom_opset: "operators of 'com.example'",
    old_opset: "version 7 of the operators",
    model_function: "functions of its own",
    loop: "a graph within a graph",
    unknown_operator: "the operator 'ConstantOfShape'",
    expand: "the operator 'Expand'",
    sparse: "sparse weights",
    huge_shape: "a shape that cannot be",
    negative_shape: "a shape that cannot be",
    deep_shape: "a shape that cannot be",
    truncated_values: "more or fewer values than its shape says",
    typed_values: "values that are not raw bytes",
    texts: "values that are not raw bytes",
    nan_weight: "not finite",
    infinite_constant: "not finite",
    renamed_weight: "no weight 'head.weight'",
    unlisted_weight: "weights 'hidden' that its card does not list",
    moved_weight: "lies elsewhere than its card says",
    twice_named: "have one name",
    renamed_input: "its input is not 'features' alone",
    input_among_the_weights: "its input has the name of a weight",
    more_inputs: "its input is not 'features' alone",
    other_channels: f"not float32, any x {CHANNEL_COUNT} x any x any",
    double_input: "not float32",
    shapeless_input: "has no shape",
    more_outputs: "its outputs are not ki, v, as its card says",
    output_of_another_size: "'v' is no map of the slices",
    no_such_value: "'nothing' is used before it is made",
    made_twice: "'ki' is made twice",
    doubling: "a shape that is not computed here",
    many_large: "needs more memory",
    enlarging: "its Resize enlarges more",
    sizes_by_computation: "its Resize does not fit",
    padding: "windows that are not computed here",
    vanishing: "a shape that is not computed here",
    standing_still: "windows that are not computed here",
    to_text: "something other than numbers",
    five_axes: "a shape that is not computed here",
    fitting_nothing: "its Add does not fit",
}


def offsets_kept(content):
    """The card with the places where the weights of a changed file lie, where they are found."""
    try:
        found = read_graph(content).tensors
    except MalformedError:
        return NETWORK
    tensors = tuple(
        dataclasses.replace(spec, offset=found[spec.name].offset) if spec.name in found else spec
        for spec in NETWORK.tensors
    )
    return dataclasses.replace(NETWORK, tensors=tensors)


@pytest.mark.parametrize("change", CRAFTED, ids=lambda change: change.__name__)
def test_that_a_crafted_network_is_refused_with_the_reason(change):
    content = graph_of(change)
    network = NETWORK if change is moved_weight else offsets_kept(content)
    with pytest.raises(NetworkError, match=CRAFTED[change]) as refusal:
        check_network(network, content)
    assert "model.onnx" in str(refusal.value)


@pytest.mark.parametrize("content", [b"", b"\x00", b"PK\x03\x04", CONTENT[:-1], CONTENT[: 1 << 19]])
def test_that_a_file_that_is_no_whole_network_is_refused(content):
    with pytest.raises(NetworkError, match="is not used"):
        check_network(NETWORK, content)


def test_that_two_graphs_in_one_file_are_refused():
    with pytest.raises(NetworkError, match="holds field 1 twice"):
        check_network(NETWORK, CONTENT + CONTENT)


def test_that_a_flood_of_parts_ends_early():
    flood = b"\x42\x00" * (onnx_file.MOST_FIELDS + 1)
    with pytest.raises(NetworkError, match="more parts than a network can have"):
        check_network(NETWORK, flood)
    packed = b"\x00" * (onnx_file.MOST_FIELDS + 1)
    dims = b"\x0a" + varint(len(packed)) + packed
    initialiser = b"\x2a" + varint(len(dims)) + dims
    graph = b"\x3a" + varint(len(initialiser)) + initialiser + b"\x42\x02\x10\x14"
    with pytest.raises(NetworkError, match="more parts than a network can have"):
        check_network(NETWORK, graph)


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\x08" + b"\xff" * 10, "too long"),
        (b"\x08" + b"\xff" * 9 + b"\x7f", "too long"),
        (b"\x08\x80", "ends in the middle"),
        (b"\x12\x05ab", "ends in the middle"),
        (b"\x0b", "wire type 3"),
        (b"\x0d\x00\x00\x00\x00", "of the wrong kind"),
        (b"\xfa\x07\x00", "unknown field 127"),
        (b"\x08\x0a", "no graph"),
        (b"\x42\x03\x0a\x01\xff\x3a\x00", "a text that is none"),
    ],
)
def test_that_bytes_that_are_no_message_are_refused(content, told):
    with pytest.raises(NetworkError, match=told):
        check_network(NETWORK, content)


def test_that_numbers_of_tensors_operations_and_weights_are_limited(monkeypatch):
    for name, told in (("MOST_TENSORS", "tensors"), ("MOST_NODES", "operations")):
        with monkeypatch.context() as patch:
            patch.setattr(onnx_file, name, 3)
            with pytest.raises(NetworkError, match=f"{told}, at most 3"):
                check_network(NETWORK, CONTENT)
    monkeypatch.setattr(onnx_file, "MOST_VALUES", 1000)
    with pytest.raises(NetworkError, match="weights, at most 1000"):
        check_network(NETWORK, CONTENT)


@settings(max_examples=400)
@given(
    st.lists(st.tuples(st.integers(0, len(CONTENT) - 1), st.integers(0, 255)), max_size=4),
    st.lists(st.tuples(st.integers(0, 4600), st.integers(0, 255)), max_size=4),
    st.lists(st.tuples(st.integers(1_038_000, len(CONTENT) - 1), st.integers(0, 255)), max_size=4),
    st.one_of(st.just(len(CONTENT)), st.integers(0, len(CONTENT))),
)
def test_that_damaged_networks_are_refused_or_understood_and_nothing_else(
    anywhere, first, last, end
):
    content = bytearray(CONTENT)
    for place, value in (*anywhere, *first, *last):
        content[place] = value
    try:
        check_network(NETWORK, bytes(content[:end]))
    except NetworkError as error:
        assert len(str(error)) < 500  # noqa: PT017 - most are refused, some are not


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
