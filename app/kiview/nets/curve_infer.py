"""The plasma curve of a study by a curve network: no region has to be drawn."""

from dataclasses import dataclass

import numpy as np

from kiview.core.errors import NetworkError
from kiview.core.images import DynamicImage
from kiview.core.input_function import Compartment, InputFunction, InputSource
from kiview.core.progress import Progress
from kiview.nets.catalog import BLOOD_OUTPUTS, NetworkCard
from kiview.nets.curve_card import CurveCard
from kiview.nets.curve_features import (
    POPULATION,
    Blood,
    Halves,
    Volume,
    attended,
    curve_features,
    frame_halves,
)
from kiview.nets.curve_readout import attention, plasma_curve
from kiview.nets.domain import check_domain, check_noise
from kiview.nets.infer import (
    NetworkRequest,
    PreparedStudy,
    chosen_frames,
    network_volume,
    prepare,
    refuse,
)
from kiview.nets.noise import uptake_noise
from kiview.nets.runtime import NetworkRuntime
from kiview.nets.weights import shipped_weights

_ESTIMATE = "The input function is a network's estimate; late frames tell little of its early part."
_PREPARED, _MAPPED = 0.15, 0.75
_BLOCK_SLICES = 8


@dataclass(frozen=True, slots=True, eq=False)
class CurveNetworkRequest:
    """Everything that decides the curve of a network.

    Attributes:
        image: Frames, decay-corrected to injection.
        start_s: Start of the time window.
        end_s: End of the time window.
        card: The curve network.
        ki_network: The network whose maps are among its features (`CurveCard.ki_network`).
    """

    image: DynamicImage
    start_s: float
    end_s: float
    card: CurveCard
    ki_network: NetworkCard


def network_input_function(request: CurveNetworkRequest, progress: Progress) -> InputFunction:
    """Find blood in a study and tell its plasma curve.

    Args:
        request: What it is made from.
        progress: Told of every block; its cancel ends the run.

    Returns:
        Plasma curve from injection to the end of the last frame, in the image's quantity.

    Raises:
        NetworkError: there is no large vessel, the study lies outside what the networks can do, or
            a file was changed.
        Cancelled: the user asked to stop.
    """
    blood, findings = find_blood(request, progress)
    card = request.card
    if blood.probability < card.least_probability:
        raise NetworkError(
            "No large vessel with blood was found in these frames; draw a region in blood or use a"
            " population curve."
        )
    end_s = float(request.image.timing.end_s.max())
    name = card.network.name
    return InputFunction(
        plasma_curve(blood, card.readout, end_s),
        InputSource.NETWORK,
        request.image.quantity,
        Compartment.PLASMA,
        description=f"found by network {name} in {blood.volume_ml:.0f} mL of blood",
        findings=(_ESTIMATE, *findings),
    )


def find_blood(request: CurveNetworkRequest, progress: Progress) -> tuple[Blood, tuple[str, ...]]:
    """What the network attends to in a study, and what differs from its training."""
    image = request.image
    population = InputFunction(POPULATION, InputSource.POPULATION, image.quantity)
    ki_request = NetworkRequest(
        image,
        population,
        request.start_s,
        request.end_s,
        request.ki_network,
        shipped_weights(request.ki_network),
    )
    prepared = prepare(ki_request, progress.child(0.0, _PREPARED))
    runtime = NetworkRuntime(request.ki_network)
    maps = network_volume(prepared, runtime, progress.child(_PREPARED, _MAPPED))
    n = np.float32(prepared.features.normaliser)
    if not n > 0:
        raise NetworkError("The chosen frames hold no activity; choose other frames.")
    ki, v = maps.ki / n, maps.v / n
    logits = _logits(request.card.network, prepared, (ki, v), progress.child(_MAPPED, 1.0))
    weights, probability = attention(logits)
    halves = _halves(ki_request)
    found = attended(weights, probability, prepared.features, ki, halves, prepared.spacing_mm)
    return found, _differences(request, prepared)


def _differences(request: CurveNetworkRequest, prepared: PreparedStudy) -> tuple[str, ...]:
    """What differs from the training of the curve network.

    Raises:
        NetworkError: so much that it is refused.
    """
    domain, features = request.card.network.domain, prepared.features
    timing = request.image.timing.select(prepared.frames).weighted()
    findings = check_domain(domain, request.image, timing, features.noise_gain)
    findings += check_noise(domain, uptake_noise(features), features.noise_gain)
    refuse(findings)
    return tuple(finding.message for finding in findings)


def _halves(request: NetworkRequest) -> Halves:
    """Of the chosen frames, the mean over slices where those differ."""
    frames, population = chosen_frames(request)
    halves = frame_halves(request.image.timing.select(frames), population)
    return Halves(halves.time_min, halves.ratio.mean(axis=1, keepdims=True))


def _logits(
    card: NetworkCard, prepared: PreparedStudy, maps: tuple[Volume, Volume], progress: Progress
) -> Volume:
    """(z, y, x) of the whole study, without padding."""
    features = curve_features(prepared.features, *maps, prepared.spacing_mm)
    runtime = NetworkRuntime(card)
    (name,) = BLOOD_OUTPUTS
    depth, rows, columns = maps[0].shape
    parts = []
    for z0 in range(0, depth, _BLOCK_SLICES):
        progress.step(z0 / depth, "Looking for blood")
        block = np.ascontiguousarray(features[z0 : z0 + _BLOCK_SLICES])
        parts.append(runtime.values(block)[name][:, :rows, :columns])
    return np.concatenate(parts)
