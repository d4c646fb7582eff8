"""What an ONNX file holds, read without running it and without trusting it.

Field numbers are those of `onnx.proto`, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
What our exporter never writes is refused by name: data outside the file, functions, subgraphs,
operators of other domains, sparse tensors, values that are not raw bytes.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from kiview.nets.protobuf import Kind, MalformedError, Message, Reader, Schema, Span, written

MOST_FIELDS = 200_000
MOST_NODES = 2_000
MOST_TENSORS = 2_000
MOST_AXES = 8
LARGEST_AXIS = 1 << 20
MOST_VALUES = 60_000_000
"""Of all tensors together."""
MOST_CONSTANTS = 64
"""Values of a tensor whose numbers decide shapes."""
OPSETS = range(13, 24)
FLOAT32, INT64 = 1, 7
_TYPES = MappingProxyType({1: "<f4", 6: "<i4", 7: "<i8", 9: "<u1"})
"""float32, int32, int64, bool."""

_I, _IS, _F, _FS, _B, _BS = Kind
_MODEL: Schema = {1: _I, 2: _B, 3: _B, 4: _B, 5: _I, 6: _B, 7: _B, 8: _BS, 14: _BS}
_GRAPH: Schema = {1: _BS, 2: _B, 5: _BS, 10: _B, 11: _BS, 12: _BS, 13: _BS, 16: _BS}
_NODE: Schema = {1: _BS, 2: _BS, 3: _B, 4: _B, 5: _BS, 6: _B, 7: _B, 9: _BS}
_ATTRIBUTE: Schema = {1: _B, 2: _F, 3: _I, 4: _B, 5: _B, 7: _FS, 8: _IS, 9: _BS, 13: _B, 20: _I}
_TENSOR: Schema = {1: _IS, 2: _I, 8: _B, 9: _B, 12: _B, 14: _I, 16: _BS}
_VALUE: Schema = {1: _B, 2: _B, 3: _B, 4: _BS}
_TYPE: Schema = {1: _B, 6: _B}
_TENSOR_TYPE: Schema = {1: _I, 2: _B}
_SHAPE: Schema = {1: _BS}
_AXIS: Schema = {1: _I, 2: _B, 3: _B}
_OPSET: Schema = {1: _B, 2: _I}

_NOT_IN_MODEL = {20: "training steps", 25: "functions of its own", 26: "a device configuration"}
_NOT_IN_GRAPH = {14: "quantised values", 15: "sparse weights"}
_NOT_IN_NODE = {8: "functions of its own", 10: "a device configuration"}
_NOT_IN_ATTRIBUTE = {6: "a graph within a graph", 11: "graphs within a graph", 21: "a function"}
_VALUES_ELSEWHERE = "values that are not raw bytes"
_NOT_IN_TENSOR = {
    3: "a tensor in pieces",
    13: "data outside the file",
    **dict.fromkeys((4, 5, 6, 7, 10, 11), _VALUES_ELSEWHERE),
}


@dataclass(frozen=True, slots=True)
class OnnxTensor:
    """A tensor inside the file.

    Attributes:
        name: Of the initialiser, empty for a constant.
        type: Of the values, ONNX number.
        shape: Its sizes.
        offset: Byte of the file where its values begin.
        values: A view of them.
    """

    name: str
    type: int
    shape: tuple[int, ...]
    offset: int
    values: NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """One operation.

    Attributes:
        operator: Its name in the standard domain.
        inputs: Names, empty for one left out.
        outputs: Names.
        ints: Whole-number attributes, single ones as a list of one.
        tensor: The value of a constant, or None.
    """

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    ints: Mapping[str, tuple[int, ...]]
    tensor: OnnxTensor | None


@dataclass(frozen=True, slots=True)
class OnnxValue:
    """An input or output of the graph.

    Attributes:
        name: Its name.
        type: Of the values, ONNX number.
        shape: Sizes, None where any.
    """

    name: str
    type: int
    shape: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class OnnxGraph:
    """A network as its file describes it."""

    nodes: tuple[OnnxNode, ...]
    tensors: Mapping[str, OnnxTensor]
    inputs: tuple[OnnxValue, ...]
    outputs: tuple[OnnxValue, ...]


def read_graph(content: bytes) -> OnnxGraph:
    """Read an ONNX file.

    Raises:
        MalformedError: it is damaged or holds what a network here may not.
    """
    reader = Reader(content, MOST_FIELDS)
    model = reader.message(reader.whole, _MODEL, _NOT_IN_MODEL)
    for span in model.spans.get(8, []):
        opset = reader.message(span, _OPSET, {})
        _require_standard(reader.text(opset, 1))
        if opset.number(2) not in OPSETS:
            raise MalformedError(f"it uses version {opset.number(2)} of the operators")
    if not model.spans.get(7) or not model.spans.get(8):
        raise MalformedError("it holds no graph")
    graph = reader.message(model.spans[7][0], _GRAPH, _NOT_IN_GRAPH)
    _require_few(graph)
    tensors = [_tensor(reader, span) for span in graph.spans.get(5, [])]
    named = {tensor.name: tensor for tensor in tensors}
    if len(named) < len(tensors) or "" in named:
        raise MalformedError("two of its tensors have one name, or one has none")
    nodes = tuple(_node(reader, span) for span in graph.spans.get(1, []))
    constants = [node.tensor for node in nodes if node.tensor is not None]
    count = sum(tensor.values.size for tensor in (*tensors, *constants))
    if count > MOST_VALUES:
        raise MalformedError(f"it has {count} weights, at most {MOST_VALUES} can be")
    return OnnxGraph(
        nodes,
        named,
        tuple(_value(reader, span) for span in graph.spans.get(11, [])),
        tuple(_value(reader, span) for span in graph.spans.get(12, [])),
    )


def with_outputs(content: bytes, names: Collection[str]) -> bytes:
    """The same network with some of its outputs only, and what they need.

    A runtime computes every operation of a file, whatever is asked for.

    Args:
        content: A file that `read_graph` accepts.
        names: Of outputs to leave; those that the file does not have are passed over.
    """
    graph, reader = read_graph(content), Reader(content, MOST_FIELDS)
    needed = {value.name for value in graph.outputs} & set(names)
    kept: list[int] = []
    for i, node in reversed([*enumerate(graph.nodes)]):  # in the file, later ones need earlier ones
        if needed.intersection(node.outputs):
            kept.append(i)
            needed.update(node.inputs)
    model = reader.message(reader.whole, _MODEL, _NOT_IN_MODEL)
    spans = dict(reader.message(model.spans[7][0], _GRAPH, _NOT_IN_GRAPH).spans)
    spans[1] = [spans[1][i] for i in reversed(kept)]
    tensors = zip(spans.get(5, []), graph.tensors, strict=True)
    spans[5] = [span for span, name in tensors if name in needed]
    outputs = zip(spans[12], graph.outputs, strict=True)
    spans[12] = [span for span, value in outputs if value.name in needed]
    new_graph: dict[int, Sequence[Span | bytes]] = {7: [written(_fields(reader, spans))]}
    numbers = [(field, value) for field, values in model.ints.items() for value in values]
    return written([*numbers, *_fields(reader, {**model.spans, **new_graph})])


def _fields(
    reader: Reader, spans: Mapping[int, Sequence[Span | bytes]]
) -> Iterator[tuple[int, bytes]]:
    """Stretches of the file, and what is put in their place, as fields to write."""
    for field, places in spans.items():
        for place in places:
            yield field, place if isinstance(place, bytes) else reader.content[slice(*place)]


def _require_standard(domain: str) -> None:
    if domain not in ("", "ai.onnx"):
        raise MalformedError(f"it uses operators of {domain[:40]!r}, which are not known here")


def _require_few(graph: Message) -> None:
    for field, most, what in ((1, MOST_NODES, "operations"), (5, MOST_TENSORS, "tensors")):
        count = len(graph.spans.get(field, []))
        if count > most:
            raise MalformedError(f"it has {count} {what}, at most {most} can be")


def _tensor(reader: Reader, span: Span) -> OnnxTensor:
    message = reader.message(span, _TENSOR, _NOT_IN_TENSOR)
    name, kind = reader.text(message, 8), message.number(2)
    shown = f"its tensor {name[:60]!r}"
    if message.number(14) != 0:
        raise MalformedError(f"{shown} has data outside the file")
    if kind not in _TYPES:
        raise MalformedError(f"{shown} is of type {kind}")
    shape = tuple(message.ints.get(1, []))
    if len(shape) > MOST_AXES or any(not 0 <= size <= LARGEST_AXIS for size in shape):
        raise MalformedError(f"{shown} has a shape that cannot be")
    count = math.prod(shape)
    place = message.spans.get(9, [Span(0, 0)])[0]
    dtype = np.dtype(_TYPES[kind])
    if place.end - place.start != count * dtype.itemsize:
        raise MalformedError(f"{shown} has more or fewer values than its shape says")
    values = np.frombuffer(reader.content, dtype, count, place.start if count else 0)
    if kind == FLOAT32 and not np.isfinite(values).all():
        raise MalformedError(f"{shown} holds values that are not finite")
    return OnnxTensor(name, kind, shape, place.start, values)


def _node(reader: Reader, span: Span) -> OnnxNode:
    message = reader.message(span, _NODE, _NOT_IN_NODE)
    _require_standard(reader.text(message, 7))
    ints: dict[str, tuple[int, ...]] = {}
    tensor = None
    for place in message.spans.get(5, []):
        attribute = reader.message(place, _ATTRIBUTE, _NOT_IN_ATTRIBUTE)
        found = [*attribute.ints.get(3, []), *attribute.ints.get(8, [])]
        ints[reader.text(attribute, 1)] = tuple(found)
        if 5 in attribute.spans:
            tensor = _tensor(reader, attribute.spans[5][0])
    return OnnxNode(
        reader.text(message, 4),
        tuple(reader.decoded(place) for place in message.spans.get(1, [])),
        tuple(reader.decoded(place) for place in message.spans.get(2, [])),
        ints,
        tensor,
    )


def _value(reader: Reader, span: Span) -> OnnxValue:
    message = reader.message(span, _VALUE, {})
    name = reader.text(message, 1)
    try:
        kind = reader.message(message.spans[2][0], _TYPE, {})
        tensor_type = reader.message(kind.spans[1][0], _TENSOR_TYPE, {})
        shape = reader.message(tensor_type.spans[2][0], _SHAPE, {})
    except KeyError as error:
        raise MalformedError(f"its input or output {name[:60]!r} has no shape") from error
    axes = [reader.message(place, _AXIS, {}) for place in shape.spans.get(1, [])]
    sizes = tuple(axis.number(1) if 1 in axis.ints else None for axis in axes)
    return OnnxValue(name, tensor_type.number(1), sizes)
