"""Damage to ONNX files: to their structure through the onnx package, or to their bytes."""

import random

from tests.fuzz.mutate import damage_bytes

_SIZES = (0, -1, 1, 7, 2**20, 2**31, 2**62)
_OPERATORS = (
    "If",
    "Loop",
    "Scan",
    "ConstantOfShape",
    "Expand",
    "Tile",
    "Resize",
    "Conv",
    "Pad",
    "",
)
_NAMES = ("", "features", "ki", "nowhere", "\x00", "../escape", "head.weight")


def damage_onnx(rng: random.Random, content: bytes) -> bytes:
    """Damage one network file."""
    if rng.random() < 0.3:
        return damage_bytes(rng, content)
    import onnx  # noqa: PLC0415 - loads slowly

    model = onnx.load_from_string(content)
    for _ in range(rng.choice((1, 1, 2))):
        _change(rng, model.graph, model)
    return bytes(model.SerializeToString())


def _change(rng: random.Random, graph, model) -> None:
    node, tensor = rng.choice(graph.node), rng.choice(graph.initializer)
    kind = rng.randrange(10)
    if kind == 0:
        node.op_type = rng.choice(_OPERATORS)
    elif kind == 1 and node.attribute:
        attribute = rng.choice(node.attribute)
        attribute.i = rng.choice(_SIZES)
        del attribute.ints[:]
        attribute.ints.extend(rng.choices(_SIZES, k=rng.choice((0, 1, 2, 4, 9))))
    elif kind == 2 and tensor.dims:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(_SIZES)
    elif kind == 3:
        tensor.dims.append(rng.choice(_SIZES))
    elif kind == 4:
        tensor.data_type = rng.choice((0, 1, 6, 7, 8, 10, 11, 16, 99))
    elif kind == 5:
        tensor.name = rng.choice(_NAMES)
    elif kind == 6:
        node.input[rng.randrange(len(node.input))] = rng.choice(_NAMES)
    elif kind == 7:
        del graph.node[rng.randrange(len(graph.node))]
    elif kind == 8:
        graph.node.append(rng.choice(graph.node))
    else:
        _change_ends(rng, graph, model)


def _change_ends(rng: random.Random, graph, model) -> None:
    value = rng.choice((*graph.input, *graph.output))
    if rng.random() < 0.3:
        model.opset_import[0].version = rng.choice((0, 7, 99, 2**40))
    elif rng.random() < 0.3:
        value.type.tensor_type.elem_type = rng.choice((0, 7, 99))
    else:
        del value.type.tensor_type.shape.dim[rng.choice((0, 1)) :]
