"""A trained network as one ONNX file whose weights are named initialisers."""

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]  # ships no types
import torch
from torch import Tensor, nn

from kitrain.network import KiNetwork
from kitrain.train import network_with
from kiview.nets.catalog import CALIBRATION, MAP_OUTPUTS, SIGMA
from kiview.nets.onnx_file import read_graph
from kiview.nets.preprocess import CHANNEL_COUNT
from kiview.nets.protobuf import MalformedError
from kiview.nets.reach import THREE_LEVELS

OPSET = 20
INPUT, OUTPUTS = "features", (*MAP_OUTPUTS, SIGMA, CALIBRATION)
LARGEST_DIFFERENCE = 1e-5
"""Between torch and onnxruntime, relative to the largest value."""


class ExportMismatchError(RuntimeError):
    """The exported network does not compute what the trained one does."""


def export(weights: dict[str, Tensor], path: Path) -> float:
    """Write `model.onnx` and check it against torch.

    Args:
        weights: Trained weights; their names become those of the initialisers.
        path: File to write.

    Returns:
        Largest relative difference between torch and onnxruntime.

    Raises:
        ExportMismatchError: weights are not there as initialisers, or results differ.
    """
    network = network_with(weights)
    names, step = output_names(network), network.reach.alignment
    return export_network(network, CHANNEL_COUNT, names, weights, path, step)


def export_network(
    network: nn.Module,
    channels: int,
    outputs: tuple[str, ...],
    weights: Mapping[str, Tensor],
    path: Path,
    alignment: int = THREE_LEVELS.alignment,
) -> float:
    """Write any network of slices as ONNX and check it against torch.

    Args:
        network: (b, channels, y, x) -> one (b, y, x) map or a tuple of them.
        channels: Of its input.
        outputs: Names of its maps.
        weights: That must be initialisers of the file, by name.
        path: File to write.
        alignment: Sides of its input are multiples of this.

    Returns:
        Largest relative difference between torch and onnxruntime.

    Raises:
        ExportMismatchError: weights are not there as initialisers, or results differ.
    """
    model = _to_onnx(network, channels, outputs, alignment)
    _require_initialisers(model, weights)
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString()
    smaller, larger = (alignment * side for side in (8, 11))
    shapes = (1, channels, smaller, smaller), (3, channels, 2 * smaller, larger)
    difference = _difference(content, network, shapes, outputs)
    if difference > LARGEST_DIFFERENCE:
        raise ExportMismatchError(f"torch and onnxruntime differ by {difference:.2g}.")
    path.write_bytes(content)
    return difference


def output_names(network: KiNetwork) -> tuple[str, ...]:
    """Outputs of the file of a network, in order."""
    count = len(MAP_OUTPUTS) + network.has_sigma + (network.calibration is not None)
    return OUTPUTS[:count]


def tensor_offsets(content: bytes, weights: Mapping[str, Tensor]) -> dict[str, int]:
    """Byte of an ONNX file where the values of each weight begin.

    Raises:
        ExportMismatchError: a weight is not in the file.
    """
    try:
        places = read_graph(content).tensors
    except MalformedError as error:
        raise ExportMismatchError(f"The file is no network: {error}.") from error
    for name in weights:
        if name not in places:
            raise ExportMismatchError(f"The weight {name} is not in the file.")
    return {name: places[name].offset for name in weights}


def _to_onnx(
    network: nn.Module, channels: int, outputs: tuple[str, ...], alignment: int
) -> onnx.ModelProto:
    example = torch.zeros(2, channels, 8 * alignment, 12 * alignment)
    batch, h, w = (torch.export.Dim(name) for name in ("batch", "h", "w"))
    sides = {0: batch, 2: alignment * h, 3: alignment * w}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter deprecates parts of itself
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            input_names=[INPUT],
            output_names=list(outputs),
            dynamic_shapes=(sides,),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise ExportMismatchError("torch made no ONNX program.")
    model = program.model_proto
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    model.graph.ClearField("value_info")
    model.graph.ClearField("metadata_props")
    return model


def _require_initialisers(model: onnx.ModelProto, weights: Mapping[str, Tensor]) -> None:
    found = {i.name: tuple(i.dims) for i in model.graph.initializer}
    for name, tensor in weights.items():
        if found.get(name) != tuple(tensor.shape):
            raise ExportMismatchError(f"The weight {name} is not an initialiser of the ONNX file.")


def _difference(
    content: bytes,
    network: nn.Module,
    shapes: tuple[tuple[int, ...], ...],
    outputs: tuple[str, ...],
) -> float:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    largest = 0.0
    for shape in shapes:
        features = rng.normal(0.5, 1.0, shape).astype(np.float32)
        with torch.inference_mode():
            made = network(torch.from_numpy(features))
        expected = [part.numpy() for part in (made if isinstance(made, tuple) else (made,))]
        got = session.run(list(outputs), {INPUT: features})
        for a, b in zip(expected, got, strict=True):
            largest = max(largest, float(np.abs(a - b).max() / np.abs(a).max()))
    return largest
