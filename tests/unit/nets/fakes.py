"""A tiny study with known Ki and V0, the bundled network, and one that tells its uncertainty."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kiview import paths
from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.input_function import InputFunction, from_samples
from kiview.core.timing import FrameTiming
from kiview.core.tracer import F18_HALF_LIFE_S, Injection, Radionuclide
from kiview.core.units import ACTIVITY
from kiview.nets.catalog import CALIBRATION, MAP_OUTPUTS, SIGMA, NetworkCard, load_catalog
from kiview.nets.infer import NetworkRequest
from kiview.nets.onnx_file import read_graph
from kiview.nets.untrusted import HashedFile
from kiview.nets.weights import shipped_weights

TIMES_S = np.array([0.0, 60.0, 300.0, 900.0, 1800.0, 2700.0, 3600.0, 5400.0])
PLASMA_BQML = np.array([0.0, 40e3, 20e3, 12e3, 8e3, 6.5e3, 5.5e3, 4.0e3])
SIX_FRAMES = FrameTiming(1800.0 + 300.0 * np.arange(6), np.full(6, 300.0))


def plasma(scale: float = 1.0) -> InputFunction:
    return from_samples(TIMES_S, scale * PLASMA_BQML, ACTIVITY)


def frame_means(curve: InputFunction, timing: FrameTiming) -> tuple[NDArray, NDArray]:
    """Means of the curve and of its integral (min) over frames, by brute force."""
    steps = (np.arange(400) + 0.5) / 400
    times = timing.start_s[..., None] + timing.duration_s[..., None] * steps
    return curve.at(times).mean(axis=-1), curve.integral(times).mean(axis=-1) / 60.0


def truth(shape_zyx: tuple[int, int, int]) -> tuple[NDArray, NDArray]:
    """Ki /min and V0 of a body with one hot spot, asymmetric."""
    z, y, x = np.indices(shape_zyx)
    depth, rows, columns = shape_zyx
    body = ((y - 0.45 * rows) / (0.4 * rows)) ** 2 + ((x - 0.5 * columns) / (0.45 * columns)) ** 2
    inside = body < 1
    ki = np.where(inside, 0.004 + 0.002 * x / columns + 0.001 * z / depth, 0.0)
    ki[depth // 2, rows // 3 : rows // 3 + 3, columns // 4 : columns // 4 + 3] = 0.03
    return ki, np.where(inside, 0.3 + 0.2 * y / rows, 0.0)


def fake_image(
    shape_zyx: tuple[int, int, int] = (6, 40, 44),
    timing: FrameTiming = SIX_FRAMES,
    spacing_zyx_mm: tuple[float, float, float] = (4.0, 4.0, 4.0),
    noise: float = 0.05,
) -> DynamicImage:
    ki, v0 = truth(shape_zyx)
    mean, integral = frame_means(plasma(), timing)
    tail = (1,) * (2 if timing.is_per_slice else 3)
    frames = ki * integral.reshape(*integral.shape, *tail) + v0 * mean.reshape(*mean.shape, *tail)
    frames += noise * frames * np.random.default_rng(1).standard_normal(frames.shape)
    affine = np.diag([*spacing_zyx_mm[::-1], 1.0])[:, [2, 1, 0, 3]]
    return DynamicImage(
        ScaledFrameStore(frames.astype(np.float32)),
        VolumeGeometry(shape_zyx, affine),
        timing,
        ACTIVITY,
        Injection(Radionuclide("18F", F18_HALF_LIFE_S), None, "FDG"),
    )


def card() -> NetworkCard:
    return load_catalog(paths.models_dir()).card("ki-fdg-torso-1")


def card_with_sigma(folder: Path, calibration: float | None = None) -> NetworkCard:
    """The bundled network with a third output, a tenth of Ki.

    Args:
        folder: For its file.
        calibration: Value of a fourth one, the same everywhere, if there is to be one.
    """
    more = {SIGMA: ("ki", 0.1)}
    if calibration is not None:
        more[CALIBRATION] = ("ones", calibration)
    onnx = pytest.importorskip("onnx", reason="platform: onnx is not installed")
    model = onnx.load_from_string(card().network.read())
    model.graph.node.append(onnx.helper.make_node("Div", ["ki", "ki"], ["ones"]))
    for name, (source, factor) in more.items():
        number = onnx.numpy_helper.from_array(np.array(factor, np.float32), f"{name} factor")
        model.graph.initializer.append(number)
        model.graph.node.append(onnx.helper.make_node("Mul", [source, number.name], [name]))
        shape = ["batch", "y", "x"]
        told = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        model.graph.output.append(told)
    return card_of(model.SerializeToString(), folder, (*MAP_OUTPUTS, *more))


def card_of(content: bytes, folder: Path, outputs: tuple[str, ...]) -> NetworkCard:
    """A card without slider for a network file with the weights of the bundled one."""
    path = folder / "model.onnx"
    path.write_bytes(content)
    places = read_graph(content).tensors
    return dataclasses.replace(
        card(),
        network=HashedFile(path, hashlib.sha256(content).hexdigest()),
        slider=None,
        outputs=outputs,
        tensors=tuple(
            dataclasses.replace(spec, offset=places[spec.name].offset) for spec in card().tensors
        ),
    )


def request(image: DynamicImage | None = None, **changes: object) -> NetworkRequest:
    network = card()
    values = {
        "image": image or fake_image(),
        "input_function": plasma(),
        "start_s": 1800.0,
        "end_s": 3600.0,
        "card": network,
        "weights": shipped_weights(network),
    }
    return NetworkRequest(**{**values, **changes})
