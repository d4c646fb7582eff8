"""A trained network as one ONNX file whose weights are named initialisers."""

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]  # ships no types
import torch
from torch import Tensor

from kitrain.network import KiNetwork
from kitrain.train import network_with
from kiview.nets.preprocess import CHANNEL_COUNT

OPSET = 20
INPUT, OUTPUTS, SIGMA = "features", ("ki", "v"), "sigma"
LARGEST_DIFFERENCE = 1e-5
"""Between torch and onnxruntime, relative to the largest value."""


class ExportMismatchError(RuntimeError):
    """The exported network does not compute what the trained one does."""


def export(weights: dict[str, Tensor], width: int, path: Path) -> float:
    """Write `model.onnx` and check it against torch.

    Args:
        weights: Trained weights; their names become those of the initialisers.
        width: Of the network.
        path: File to write.

    Returns:
        Largest relative difference between torch and onnxruntime.

    Raises:
        ExportMismatchError: weights are not there as initialisers, or results differ.
    """
    network = network_with(weights, width)
    model = _to_onnx(network)
    _require_initialisers(model, weights)
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString()
    difference = _difference(content, network)
    if difference > LARGEST_DIFFERENCE:
        raise ExportMismatchError(f"torch and onnxruntime differ by {difference:.2g}.")
    path.write_bytes(content)
    return difference


def output_names(network: KiNetwork) -> tuple[str, ...]:
    """Outputs of the file of a network, in order."""
    return (*OUTPUTS, SIGMA) if network.has_sigma else OUTPUTS


def tensor_offsets(content: bytes, weights: dict[str, Tensor]) -> dict[str, int]:
    """Byte of an ONNX file where the values of each weight begin.

    Raises:
        ExportMismatchError: values are not there exactly once.
    """
    offsets = {}
    for name, tensor in weights.items():
        values = tensor.contiguous().numpy().astype("<f4").tobytes()
        if content.count(values) != 1:
            raise ExportMismatchError(f"The values of {name} are not in the file exactly once.")
        offsets[name] = content.index(values)
    return offsets


def _to_onnx(network: KiNetwork) -> onnx.ModelProto:
    example = torch.zeros(2, CHANNEL_COUNT, 32, 48)
    batch, h, w = (torch.export.Dim(name) for name in ("batch", "h", "w"))
    sides = {0: batch, 2: 4 * h, 3: 4 * w}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter deprecates parts of itself
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            input_names=[INPUT],
            output_names=list(output_names(network)),
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


def _require_initialisers(model: onnx.ModelProto, weights: dict[str, Tensor]) -> None:
    found = {i.name: tuple(i.dims) for i in model.graph.initializer}
    for name, tensor in weights.items():
        if found.get(name) != tuple(tensor.shape):
            raise ExportMismatchError(f"The weight {name} is not an initialiser of the ONNX file.")


def _difference(content: bytes, network: KiNetwork) -> float:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    largest = 0.0
    for shape in ((1, CHANNEL_COUNT, 32, 32), (3, CHANNEL_COUNT, 64, 44)):
        features = rng.normal(0.5, 1.0, shape).astype(np.float32)
        with torch.inference_mode():
            expected = [part.numpy() for part in network(torch.from_numpy(features))]
        got = session.run(list(output_names(network)), {INPUT: features})
        for a, b in zip(expected, got, strict=True):
            largest = max(largest, float(np.abs(a - b).max() / np.abs(a).max()))
    return largest
