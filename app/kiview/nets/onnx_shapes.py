"""Shapes that flow through a network, found without running it.

Each operator that a network may use has a rule here; one without a rule is refused. As every size
is known before a session is made, no file can make the runtime ask for endless memory.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from kiview.nets.onnx_file import MOST_CONSTANTS, OnnxGraph, OnnxNode, OnnxTensor
from kiview.nets.protobuf import MalformedError

MOST_AXES_INSIDE = 4
MOST_PER_PIXEL = 4096
"""Values that one operation gives for each pixel of the input."""
MOST_PER_PIXEL_IN_ALL = 16_384
"""Values that all operations together give: at most 8 GiB for the blocks that are computed."""
LARGEST_PADDING = 64
LARGEST_SCALE = 8.0

_CAST_TYPES = ((1,), (6,), (7,), (9,), (11,))
"""float32, int32, int64, bool, float64."""

Shape = tuple[int, ...]
_Known = Mapping[str, OnnxTensor]
_Rule = Callable[[OnnxNode, list[Shape], _Known], list[Shape]]


def shapes(graph: OnnxGraph, input_shape: Shape) -> dict[str, Shape]:
    """Shape of every value of a graph.

    Args:
        graph: The network, its operations in the order they run.
        input_shape: Of its only input.

    Raises:
        MalformedError: an operator is not known, a value is used before it is made or made twice,
            or the shapes do not fit or grow too large.
    """
    found: dict[str, Shape] = {name: tensor.shape for name, tensor in graph.tensors.items()}
    constants = dict(graph.tensors)
    if graph.inputs[0].name in found:
        raise MalformedError("its input has the name of a weight")
    found[graph.inputs[0].name] = input_shape
    pixels = input_shape[0] * math.prod(input_shape[2:])
    total = 0
    for node in graph.nodes:
        for name, shape in zip(node.outputs, _output_shapes(node, found, constants), strict=False):
            size = math.prod(shape)
            total += size
            if name in found:
                raise MalformedError(f"the value {name[:60]!r} is made twice")
            if len(shape) > MOST_AXES_INSIDE or not 0 < size <= MOST_PER_PIXEL * pixels:
                raise MalformedError(f"its {node.operator} gives a shape that is not computed here")
            if name:
                found[name] = shape
        if node.operator == "Constant" and node.tensor is not None:
            constants[node.outputs[0]] = node.tensor
    if total > MOST_PER_PIXEL_IN_ALL * pixels:
        raise MalformedError("it needs more memory than networks here do")
    return found


def _output_shapes(node: OnnxNode, found: Mapping[str, Shape], constants: _Known) -> list[Shape]:
    rule = _RULES.get(node.operator)
    if rule is None:
        raise MalformedError(
            f"it uses the operator {node.operator[:40]!r}, which networks here do not need"
        )
    missing = [name for name in node.inputs if name and name not in found]
    if missing:
        raise MalformedError(f"the value {missing[0][:60]!r} is used before it is made")
    try:
        given = rule(node, [found.get(name, ()) for name in node.inputs], constants)
    except (IndexError, KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError) as error:
        if isinstance(error, MalformedError):
            raise
        raise MalformedError(f"its {node.operator} does not fit what it is given") from error
    if len(given) < len(node.outputs):
        raise MalformedError(f"its {node.operator} has too many outputs")
    return given


def _same(_node: OnnxNode, given: list[Shape], _constants: _Known) -> list[Shape]:
    return [given[0]]


def _cast(node: OnnxNode, given: list[Shape], _constants: _Known) -> list[Shape]:
    if node.ints["to"] not in _CAST_TYPES:
        raise MalformedError("its Cast makes something other than numbers")
    return [given[0]]


def _broadcast(_node: OnnxNode, given: list[Shape], _constants: _Known) -> list[Shape]:
    return [tuple(np.broadcast_shapes(*given))]


def _constant(node: OnnxNode, _given: list[Shape], _constants: _Known) -> list[Shape]:
    if node.tensor is None:
        raise MalformedError("its Constant is no tensor")
    return [node.tensor.shape]


def _conv(node: OnnxNode, given: list[Shape], _constants: _Known) -> list[Shape]:
    image, kernel = given[0], given[1]
    (group,) = node.ints.get("group", (1,))
    if len(image) != 4 or len(kernel) != 4 or image[1] != kernel[1] * group:
        raise MalformedError("its Conv does not fit what it is given")
    return [(image[0], kernel[0], *_windows(node, image[2:], kernel[2:]))]


def _pool(node: OnnxNode, given: list[Shape], _constants: _Known) -> list[Shape]:
    image = given[0]
    return [(*image[:2], *_windows(node, image[2:], node.ints["kernel_shape"]))]


def _windows(node: OnnxNode, sides: Sequence[int], kernel: Sequence[int]) -> list[int]:
    """Number of places of a window along each side."""
    axes = len(sides)
    strides = node.ints.get("strides") or (1,) * axes
    dilations = node.ints.get("dilations") or (1,) * axes
    pads = node.ints.get("pads") or (0,) * (2 * axes)
    small = all(0 <= pad <= LARGEST_PADDING for pad in pads) and min(*strides, *dilations) >= 1
    if len(kernel) != axes or len(pads) != 2 * axes or not small:
        raise MalformedError(f"its {node.operator} has windows that are not computed here")
    counts = []
    for i, side in enumerate(sides):
        reach = dilations[i] * (kernel[i] - 1) + 1
        room = side + pads[i] + pads[i + axes] - reach
        (ceil,) = node.ints.get("ceil_mode", (0,))
        counts.append((-(-room // strides[i]) if ceil else room // strides[i]) + 1)
    return counts


def _resize(node: OnnxNode, given: list[Shape], constants: _Known) -> list[Shape]:
    scales = _numbers(node, 2, constants)
    if len(scales) != len(given[0]) or not all(0 < scale <= LARGEST_SCALE for scale in scales):
        raise MalformedError("its Resize enlarges more than networks here do")
    return [tuple(int(n * scale) for n, scale in zip(given[0], scales, strict=True))]


def _concat(node: OnnxNode, given: list[Shape], _constants: _Known) -> list[Shape]:
    (axis,) = node.ints["axis"]
    joined = list(given[0])
    joined[axis] = sum(shape[axis] for shape in given)
    for shape in given:
        other = list(shape)
        other[axis] = joined[axis]
        if other != joined:
            raise MalformedError("its Concat does not fit what it is given")
    return [tuple(joined)]


def _gather(node: OnnxNode, given: list[Shape], _constants: _Known) -> list[Shape]:
    (axis,) = node.ints.get("axis", (0,))
    axis += len(given[0]) if axis < 0 else 0
    return [(*given[0][:axis], *given[1], *given[0][axis + 1 :])]


def _slice(node: OnnxNode, given: list[Shape], constants: _Known) -> list[Shape]:
    starts, ends = (_whole(node, i, constants) for i in (1, 2))
    axes = _whole(node, 3, constants) if len(node.inputs) > 3 else list(range(len(starts)))
    steps = _whole(node, 4, constants) if len(node.inputs) > 4 else [1] * len(starts)
    sizes = list(given[0])
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        sizes[axis] = len(range(*slice(start, end, step).indices(sizes[axis])))
    return [tuple(sizes)]


def _split(node: OnnxNode, given: list[Shape], constants: _Known) -> list[Shape]:
    (axis,) = node.ints.get("axis", (0,))
    total, count = given[0][axis], len(node.outputs)
    if len(node.inputs) > 1:
        sizes = _whole(node, 1, constants)
    else:
        part = -(-total // count)
        sizes = [part] * (count - 1) + [total - part * (count - 1)]
    if sum(sizes) != total:
        raise MalformedError("its Split does not fit what it is given")
    parts = []
    for size in sizes:
        shape = list(given[0])
        shape[axis] = size
        parts.append(tuple(shape))
    return parts


def _squeeze(node: OnnxNode, given: list[Shape], constants: _Known) -> list[Shape]:
    axes = {axis % len(given[0]) for axis in _whole(node, 1, constants)}
    if any(given[0][axis] != 1 for axis in axes):
        raise MalformedError("its Squeeze does not fit what it is given")
    return [tuple(n for i, n in enumerate(given[0]) if i not in axes)]


def _unsqueeze(node: OnnxNode, given: list[Shape], constants: _Known) -> list[Shape]:
    axes = _whole(node, 1, constants)
    rank = len(given[0]) + len(axes)
    wanted = {axis % rank for axis in axes}
    rest = iter(given[0])
    return [tuple(1 if i in wanted else next(rest) for i in range(rank))]


def _reduce(node: OnnxNode, given: list[Shape], constants: _Known) -> list[Shape]:
    (keep,) = node.ints.get("keepdims", (1,))
    axes = node.ints.get("axes") or (_whole(node, 1, constants) if len(node.inputs) > 1 else ())
    chosen = {axis % len(given[0]) for axis in axes} or set(range(len(given[0])))
    if keep:
        return [tuple(1 if i in chosen else n for i, n in enumerate(given[0]))]
    return [tuple(n for i, n in enumerate(given[0]) if i not in chosen)]


def _blocks(node: OnnxNode, given: list[Shape], _constants: _Known, *, out: bool) -> list[Shape]:
    """Channels to pixels and back."""
    (size,) = node.ints["blocksize"]
    b, c, y, x = given[0]
    if out:
        return [(b, c // size**2, y * size, x * size)]
    return [(b, c * size**2, y // size, x // size)]


def _whole(node: OnnxNode, position: int, constants: _Known) -> list[int]:
    return [int(value) for value in _numbers(node, position, constants)]


def _numbers(node: OnnxNode, position: int, constants: _Known) -> list[float]:
    tensor = constants[node.inputs[position]]
    if tensor.values.size > MOST_CONSTANTS:
        raise MalformedError(f"its {node.operator} is given too many numbers")
    return [value.item() for value in tensor.values]


_SAME = (
    "Abs BatchNormalization Clip Elu Erf Exp Floor Gelu HardSigmoid HardSwish Identity"
    " InstanceNormalization IsNaN LayerNormalization LeakyRelu Log Mish Neg Not Reciprocal Relu"
    " Sigmoid Sign Softmax Softplus Sqrt Tanh"
)
_BROADCAST = (
    "Add And Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mul Or PRelu Pow Sub"
    " Sum Where"
)
_RULES: Mapping[str, _Rule] = {
    **dict.fromkeys(_SAME.split(), _same),
    **dict.fromkeys(_BROADCAST.split(), _broadcast),
    **dict.fromkeys(["AveragePool", "MaxPool"], _pool),
    **dict.fromkeys(["ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"], _reduce),
    "Cast": _cast,
    "Concat": _concat,
    "Constant": _constant,
    "Conv": _conv,
    "DepthToSpace": partial(_blocks, out=True),
    "Gather": _gather,
    "Resize": _resize,
    "Slice": _slice,
    "SpaceToDepth": partial(_blocks, out=False),
    "Split": _split,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
}
