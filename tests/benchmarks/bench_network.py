"""Network inference against the bare runtime on the same tensors, and the slider's preview."""

from collections.abc import Iterator

import numpy as np

from kiview.core.progress import NullProgress
from kiview.nets import infer
from kiview.nets.runtime import NetworkRuntime
from kiview.nets.weights import WeightSet
from tests.benchmarks.measure import Ratio, fastest_s
from tests.unit.nets.fakes import card, fake_image, request

SHAPE_ZYX = (96, 128, 128)
BLOCK = 8
REPEATS = 3
HALF_VIEW = 13
"""Voxels of 4 mm on either side of the cursor: 100 x 100 mm."""


def run() -> Iterator[Ratio]:
    """Whole maps from frames in memory, then one cursor neighbourhood with other weights."""
    wanted = request(fake_image(SHAPE_ZYX))
    nobody = NullProgress()
    prepared = infer.prepare(wanted, nobody)
    runtime = NetworkRuntime(card())
    blocks = [prepared.features.block(z, z + BLOCK) for z in range(0, SHAPE_ZYX[0], BLOCK)]
    bare = fastest_s(lambda: [runtime.run(block) for block in blocks], REPEATS)
    whole = fastest_s(lambda: infer.run_network(wanted, nobody), REPEATS)
    yield Ratio("network maps from frames / bare onnxruntime", whole / bare, "<= 1.2")
    yield Ratio("network, 1e5 voxels per second", np.prod(SHAPE_ZYX) / whole / 1e5, ">= 4")
    preview_ms = 1e3 * _preview(prepared)
    yield Ratio("slider to cursor neighbourhood, both planes, ms", preview_ms, "<= 300")


def _preview(prepared: infer.PreparedStudy) -> float:
    """One box holds the neighbourhood in the coronal and in the sagittal plane."""
    z, y, x = (n // 2 for n in SHAPE_ZYX)
    h = HALF_VIEW
    box = infer.Region(z - h, z + h, y - h, y + h, x - h, x + h)
    weights = WeightSet(card().network.sha256, 0.5)

    def redraw() -> None:
        runtime = NetworkRuntime(card(), weights.tensors(card()))
        infer.network_region(prepared, runtime, box)

    return fastest_s(redraw, REPEATS)
