"""Whether the ONNX file of a network is what its card says, before anything runs it."""

from kiview.core.errors import NetworkError
from kiview.nets.catalog import NetworkCard
from kiview.nets.onnx_file import FLOAT32, MOST_CONSTANTS, OnnxGraph, OnnxValue, read_graph
from kiview.nets.onnx_shapes import shapes
from kiview.nets.protobuf import MalformedError

INPUT_NAME = "features"
_PROBES = ((2, 8, 12), (3, 16, 5))
"""Blocks (b, y, x) whose shapes are followed through the network; sides in its alignment."""


def check_network(card: NetworkCard, content: bytes) -> None:
    """Refuse a network file that is damaged, dangerous or not what its card says.

    Args:
        card: Of the network.
        content: Its ONNX file.

    Raises:
        NetworkError: the text says what is wrong.
    """
    try:
        graph = read_graph(content)
        _check_ends(card, graph)
        _check_weights(card, graph)
        for b, y, x in _PROBES:
            step = card.reach.alignment
            _check_shapes(card, graph, (b, y * step, x * step))
    except MalformedError as error:
        raise NetworkError(
            f"The network file {card.network.path.name} of {card.id!r} is not used: {error}. Get it"
            " again from where it came from."
        ) from error


def _check_ends(card: NetworkCard, graph: OnnxGraph) -> None:
    inputs = {value.name: value for value in graph.inputs}
    outputs = {value.name: value for value in graph.outputs}
    if set(inputs) != {INPUT_NAME} or len(graph.inputs) != 1:
        raise MalformedError(f"its input is not {INPUT_NAME!r} alone")
    if sorted(outputs) != sorted(card.outputs) or len(graph.outputs) != len(card.outputs):
        raise MalformedError(f"its outputs are not {', '.join(card.outputs)}, as its card says")
    _check_value(inputs[INPUT_NAME], (None, card.channels, None, None))
    for value in outputs.values():
        _check_value(value, (None, None, None))


def _check_shapes(card: NetworkCard, graph: OnnxGraph, probe: tuple[int, int, int]) -> None:
    b, y, x = probe
    found = shapes(graph, (b, card.channels, y, x))
    for name in card.outputs:
        if found.get(name) != probe:
            raise MalformedError(f"its output {name!r} is no map of the slices it is given")


def _check_value(value: OnnxValue, shape: tuple[int | None, ...]) -> None:
    if value.type != FLOAT32 or value.shape != shape:
        wanted = " x ".join("any" if size is None else str(size) for size in shape)
        raise MalformedError(f"its {value.name[:60]!r} is not float32, {wanted}")


def _check_weights(card: NetworkCard, graph: OnnxGraph) -> None:
    for spec in card.tensors:
        tensor = graph.tensors.get(spec.name)
        if tensor is None or tensor.shape != spec.shape or tensor.type != FLOAT32:
            raise MalformedError(f"it has no weight {spec.name!r} as its card describes it")
        if tensor.offset != spec.offset:
            raise MalformedError(f"its weight {spec.name!r} lies elsewhere than its card says")
    listed = {spec.name for spec in card.tensors}
    for name, tensor in graph.tensors.items():
        if name not in listed and tensor.values.size > MOST_CONSTANTS:
            raise MalformedError(f"it has weights {name[:60]!r} that its card does not list")
