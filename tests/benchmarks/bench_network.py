"""The network inside the program against the bare onnxruntime session on the same tensors."""

import sys

import numpy as np
import onnxruntime as ort

from kiview import paths
from kiview.core.feng import FENG_FDG_NO_DELAY
from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.input_curves import FengCurve
from kiview.core.input_function import InputFunction, InputSource
from kiview.core.progress import NullProgress
from kiview.core.timing import FrameTiming
from kiview.core.tracer import F18_HALF_LIFE_S, Injection, Radionuclide
from kiview.core.units import ACTIVITY
from kiview.nets.catalog import load_catalog
from kiview.nets.infer import (
    NetworkRequest,
    Region,
    network_region,
    network_volume,
    prepare,
    run_network,
)
from kiview.nets.runtime import NetworkRuntime, available_threads
from kiview.nets.weights import shipped_weights
from tests.benchmarks.measure import Ratio, fastest_s

SHAPE_ZYX = (48, 128, 128)
REPEATS = 3


def request() -> NetworkRequest:
    """Six 5-min frames of noise on a body-like box, on the network's own voxel size."""
    timing = FrameTiming(1800 + 300.0 * np.arange(6), np.full(6, 300.0))
    rng = np.random.default_rng(0)
    frames = np.zeros((6, *SHAPE_ZYX), np.float32)
    frames[:, :, 20:108, 20:108] = rng.gamma(4, 500, (6, SHAPE_ZYX[0], 88, 88))
    affine = np.diag([4.0, 4.0, 4.0, 1.0])[[2, 1, 0, 3]]
    injection = Injection(Radionuclide("18F", F18_HALF_LIFE_S), 250e6, "FDG")
    image = DynamicImage(
        ScaledFrameStore(frames), VolumeGeometry(SHAPE_ZYX, affine), timing, ACTIVITY, injection
    )
    curve = InputFunction(FengCurve(FENG_FDG_NO_DELAY, 300.0), InputSource.POPULATION, ACTIVITY)
    card = load_catalog(paths.models_dir()).cards[0]
    return NetworkRequest(image, curve, 1800, 3600, card, shipped_weights(card))


def bare_session(card) -> ort.InferenceSession:
    """A session as anybody would make one, with the same number of threads."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = available_threads()
    ort.set_default_logger_severity(4)
    return ort.InferenceSession(card.network.read(), options, providers=["CPUExecutionProvider"])


def run() -> list[Ratio]:
    """Speed of the network alone and of the whole job."""
    asked = request()
    prepared = prepare(asked, NullProgress())
    runtime = NetworkRuntime(asked.card)
    depth, rows, columns = SHAPE_ZYX
    whole = prepared.features.block(0, depth, slice(0, rows), slice(0, columns))
    bare = bare_session(asked.card)
    bare_s = fastest_s(lambda: bare.run(["ki", "v"], {"features": whole}), REPEATS)
    ours_s = fastest_s(lambda: network_volume(prepared, runtime, NullProgress()), REPEATS)
    job_s = fastest_s(lambda: run_network(asked, NullProgress()), REPEATS)
    plane = Region(depth // 2, depth // 2 + 1, 0, rows, 0, columns)
    plane_s = fastest_s(lambda: network_region(prepared, runtime, plane), REPEATS)
    voxels = int(np.prod(SHAPE_ZYX))
    return [
        Ratio("network in the program / bare onnxruntime, same tensors", ours_s / bare_s, "<= 1.2"),
        Ratio("network alone, voxels/s", voxels / ours_s, ">= 4e5"),
        Ratio("whole job (features, session, network, tie), voxels/s", voxels / job_s, ""),
        Ratio("one plane / whole volume, per plane", plane_s / ours_s * depth, ""),
    ]


if __name__ == "__main__":
    for row in run():
        sys.stdout.write(f"{row}\n")
