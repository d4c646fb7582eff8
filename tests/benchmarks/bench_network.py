"""Network inference against the bare runtime on the same tensors, and the slider's preview."""

from collections.abc import Callable, Iterator

import numpy as np

from kiview.core.progress import NullProgress
from kiview.nets import infer
from kiview.nets.runtime import NetworkRuntime
from kiview.nets.weights import WeightSet
from tests.benchmarks.measure import Ratio, fastest_s
from tests.unit.nets.fakes import card, fake_image, request

SHAPE_ZYX = (96, 128, 128)
BLOCK = 8
REPEATS = 5
HALF_VIEW = 13
"""Voxels of 4 mm on either side of the cursor: 100 x 100 mm."""


def run() -> Iterator[Ratio]:
    """Whole maps from frames in memory, then one cursor neighbourhood with other weights."""
    wanted = request(fake_image(SHAPE_ZYX))
    nobody = NullProgress()
    prepared = infer.prepare(wanted, nobody)
    runtime = NetworkRuntime(card())
    blocks = [prepared.features.block(z, z + BLOCK) for z in range(0, SHAPE_ZYX[0], BLOCK)]
    bare, whole = _fastest_in_turn(
        lambda: [runtime.run(block) for block in blocks], lambda: infer.run_network(wanted, nobody)
    )
    yield Ratio("network maps from frames / bare onnxruntime", whole / bare, "<= 1.2")
    yield Ratio("network, 1e5 voxels per second", np.prod(SHAPE_ZYX) / whole / 1e5, ">= 4")
    preview_ms = 1e3 * _preview(prepared)
    yield Ratio("slider to cursor neighbourhood, both planes, ms", preview_ms, "<= 300")


def _fastest_in_turn(*works: Callable[[], object]) -> list[float]:
    """Shortest wall times in s of works done in turn, so that other load meets all of them."""
    rounds = [[fastest_s(work, 1) for work in works] for _ in range(REPEATS)]
    return [min(times) for times in zip(*rounds, strict=True)]


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
