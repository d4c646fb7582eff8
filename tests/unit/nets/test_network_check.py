"""Crafted network files: each is refused in a sentence, none is run."""

import dataclasses
import time

import numpy as np
import pytest
from tests.unit.nets.fakes import card

from kiview.core.errors import NetworkError
from kiview.nets.network_check import check_network
from kiview.nets.onnx_file import read_graph
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
