"""Networks on a graphics card against the processor; no figures where there is no CUDA device.

A map is to be the same wherever it is computed, so differences have a target too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from unittest import mock

import numpy as np

from kiview.core.progress import NullProgress
from kiview.nets import infer, runtime
from kiview.nets.runtime import CPU, CUDA, NetworkRuntime, Volume
from kiview.nets.weights import shipped_weights
from tests.benchmarks.measure import Ratio, fastest_s
from tests.unit.nets.fakes import card, fake_image, request

SHAPE_ZYX = (90, 128, 128)
"""Of the demo study."""
BLOCK = 8
WIDE_YX = (440, 440)
"""Of a whole body."""


def run() -> Iterator[Ratio]:
    """Whole maps and single blocks, on both."""
    fast = NetworkRuntime(card())
    if fast.device == "CPU":
        yield Ratio("no CUDA device, or its libraries are missing", float("nan"), "")
        return
    slow = _on_processor()
    wanted, nobody = request(fake_image(SHAPE_ZYX)), NullProgress()
    prepared = infer.prepare(wanted, nobody)
    block = prepared.features.block(0, BLOCK)
    yield Ratio("card against processor, 1e-5 of the largest Ki", _apart(fast, slow, block), "<= 1")
    mixed = replace(shipped_weights(card()), position=0.3).tensors(card())
    pair = NetworkRuntime(card(), mixed), _on_processor(mixed)
    yield Ratio("the same with weights of the slider", _apart(*pair, block), "<= 1")
    with mock.patch.dict(runtime._OPTIONS, {CUDA: {}}):
        rounded = NetworkRuntime(card())
    yield Ratio("the same if the card rounded (TF32)", _apart(rounded, slow, block), "")
    whole_s = fastest_s(lambda: infer.run_network(wanted, nobody), 3)
    with mock.patch.object(runtime, "wanted_providers", return_value=[CPU]):
        other_s = fastest_s(lambda: infer.run_network(wanted, nobody), 3)
    yield Ratio("whole maps by the processor / by the card", other_s / whole_s, ">= 1")
    yield Ratio("card, 1e5 voxels per second", np.prod(SHAPE_ZYX) / whole_s / 1e5, ">= 4")
    features = np.tile(block[:, :, :1, :1], (1, 1, *WIDE_YX))
    taken = fastest_s(lambda: fast.run(features), 3)
    yield Ratio("card, bare, on wide slices, 1e5 voxels per second", _rate(features, taken), ">= 4")


def _on_processor(tensors: Mapping[str, Volume] | None = None) -> NetworkRuntime:
    with mock.patch.object(runtime, "wanted_providers", return_value=[CPU]):
        return NetworkRuntime(card(), tensors)


def _apart(one: NetworkRuntime, other: NetworkRuntime, block: Volume) -> float:
    """Largest difference of Ki, in 1e-5 of the largest."""
    found, known = one.run(block).ki, other.run(block).ki
    return float(np.abs(found - known).max() / known.max() / 1e-5)


def _rate(features: Volume, taken_s: float) -> float:
    return features.shape[0] * features.shape[2] * features.shape[3] / taken_s / 1e5
