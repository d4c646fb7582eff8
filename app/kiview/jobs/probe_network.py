"""A small built-in phantom that says what weights do: bias, noise, lesions; shipped against now."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core import map_scores
from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.input_function import InputFunction, from_samples
from kiview.core.map_scores import Lesion, LesionScore
from kiview.core.progress import Progress
from kiview.core.tracer import F18_HALF_LIFE_S, Injection, Radionuclide
from kiview.core.units import SUV_BW
from kiview.nets.catalog import NetworkCard
from kiview.nets.infer import NetworkRequest, prepare, run_network
from kiview.nets.preprocess import smooth
from kiview.nets.weights import WeightSet, shipped_weights
from kiview.simulate.slab import SlabSimulation, simulate_slab
from kiview.simulate.slab_config import SlabConfig

PHANTOM_CONFIG = SlabConfig(slices=16, lesions=8)
"""A torso, 64 mm high, six frames of 5 min from 30 min, counts of a long axial field of view."""
PHANTOM_SEED = 12
"""A slab of lower chest and upper abdomen where tumours of very different size can be scored."""
PATLAK_FWHM_MM = 5.0
"""In plane: the usual Patlak map that networks are compared with."""
_PHANTOM_SHARE = 0.5

Volume = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ProbePhantom:
    """Two noisy scans of one simulated person, and the truth.

    Attributes:
        images: Both scans, SUV.
        input_function: True plasma curve, SUV.
        ki: (z, y, x) true Ki, /min.
        body: (z, y, x) inside the patient.
        lesions: Those that can be scored.
    """

    images: tuple[DynamicImage, DynamicImage]
    input_function: InputFunction
    ki: Volume
    body: NDArray[np.bool_]
    lesions: tuple[Lesion, ...]


@dataclass(frozen=True, slots=True)
class ProbeScores:
    """Scores of one method, means over both scans; shares, not percent.

    Attributes:
        nrmse: Root of squared error over squared truth, in the body.
        body_bias: Relative error of the mean of the body.
        noise: From the difference of both scans, relative to the mean truth.
        lesion_bias: Relative error of the mean of a lesion, mean over lesions.
        recovery: Contrast of a lesion over its true contrast, mean over lesions.
        lost_count: Lesions with less than a tenth of their contrast, over both scans.
        lesion_count: Lesions scored, over both scans.
    """

    nrmse: float
    body_bias: float
    noise: float
    lesion_bias: float
    recovery: float
    lost_count: int
    lesion_count: int


@dataclass(frozen=True, slots=True, eq=False)
class ProbeRequest:
    """What to score.

    Attributes:
        card: The network.
        weights: Present weights of it.
        tied: Whether its maps are made consistent with Patlak now; as shipped they are.
    """

    card: NetworkCard
    weights: WeightSet
    tied: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class ProbeReport:
    """What a probe found, and what the next one can use again.

    Attributes:
        request: What was scored.
        shipped: The network as shipped.
        now: The network with present weights.
        patlak: Linear Patlak under a Gaussian of 5 mm.
        phantom: The phantom.
    """

    request: ProbeRequest
    shipped: ProbeScores
    now: ProbeScores
    patlak: ProbeScores
    phantom: ProbePhantom


ProbeJob = Callable[[ProbeRequest, ProbeReport | None, Progress], ProbeReport]


def probe_network(
    request: ProbeRequest, kept: ProbeReport | None, progress: Progress
) -> ProbeReport:
    """Score shipped and present weights on the built-in phantom.

    Definitions are those of `kiview.core.map_scores`, the same as in the reports of trainings.

    Args:
        request: What to score.
        kept: An earlier report: its phantom is used again, and its scores of the shipped network
            when that is the same.
        progress: May stop the work.

    Raises:
        NetworkError: the weights cannot be used, or the network is not made for such a study.
        Cancelled: the user asked to stop.
    """
    made = make_phantom(progress.child(0.0, _PHANTOM_SHARE)) if kept is None else kept.phantom
    shipped_request = ProbeRequest(request.card, shipped_weights(request.card))
    rest = progress.child(0.0 if kept else _PHANTOM_SHARE, 1.0)
    rest.step(0.0, "Probe phantom, shipped weights")
    if kept is not None and kept.request.card == request.card:
        shipped, patlak = kept.shipped, kept.patlak
    else:
        shipped = _scored(made, _network_maps(made, shipped_request, rest.child(0.0, 0.5)))
        patlak = _scored(made, _patlak_maps(made, shipped_request, rest.child(0.5, 0.55)))
    rest.step(0.55, "Probe phantom, present weights")
    if (request.weights, request.tied) == (shipped_request.weights, shipped_request.tied):
        now = shipped
    else:
        now = _scored(made, _network_maps(made, request, rest.child(0.55, 1.0)))
    return ProbeReport(request, shipped, now, patlak, made)


def make_phantom(
    progress: Progress, config: SlabConfig = PHANTOM_CONFIG, seed: int = PHANTOM_SEED
) -> ProbePhantom:
    """Simulate the phantom; the same numbers every time.

    Args:
        progress: May stop the work.
        config: Another phantom than the built-in one, for tests.
        seed: Of everything random.
    """
    slab = simulate_slab(config, seed, progress, with_direct=False)
    plasma = from_samples(
        60 * slab.plasma.time_min, slab.plasma.activity, SUV_BW, description="true plasma curve"
    )
    lesions = map_scores.scorable_lesions(slab.lesion_index, slab.ki, slab.body)
    images = (_image(slab, slab.frames), _image(slab, slab.frames_second))
    return ProbePhantom(images, plasma, slab.ki, slab.body, tuple(lesions))


def _image(slab: SlabSimulation, frames: Volume) -> DynamicImage:
    geometry = VolumeGeometry(slab.grid.shape_zyx, slab.grid.affine_lps_mm)
    injection = Injection(Radionuclide("18F", F18_HALF_LIFE_S), None, "FDG")
    return DynamicImage(ScaledFrameStore(frames), geometry, slab.timing, SUV_BW, injection)


def _runs(phantom: ProbePhantom, request: ProbeRequest) -> list[NetworkRequest]:
    timing = phantom.images[0].timing
    start_s, end_s = float(timing.start_s[0]), float(timing.end_s[-1])
    return [
        NetworkRequest(
            image,
            phantom.input_function,
            start_s,
            end_s,
            request.card,
            request.weights,
            request.tied,
        )
        for image in phantom.images
    ]


def _network_maps(phantom: ProbePhantom, request: ProbeRequest, progress: Progress) -> list[Volume]:
    halves = (progress.child(0.0, 0.5), progress.child(0.5, 1.0))
    return [
        run_network(run, half).main.values
        for run, half in zip(_runs(phantom, request), halves, strict=True)
    ]


def _patlak_maps(phantom: ProbePhantom, request: ProbeRequest, progress: Progress) -> list[Volume]:
    width = (0.0, PATLAK_FWHM_MM, PATLAK_FWHM_MM)
    prepared = [prepare(run, progress) for run in _runs(phantom, request)]
    return [smooth(study.patlak.ki, width, study.spacing_mm) for study in prepared]


def _scored(phantom: ProbePhantom, maps: Sequence[Volume]) -> ProbeScores:
    truth, body = phantom.ki, phantom.body
    lesions: list[LesionScore] = [
        map_scores.score_lesion(values, truth, lesion)
        for values in maps
        for lesion in phantom.lesions
    ]
    first, second = maps
    return ProbeScores(
        nrmse=float(np.mean([map_scores.nrmse(values, truth, body) for values in maps])),
        body_bias=float(np.mean([map_scores.body_bias(values, truth, body) for values in maps])),
        noise=map_scores.noise(first, second, truth, body),
        lesion_bias=float(np.mean([lesion.bias for lesion in lesions])),
        recovery=float(np.mean([lesion.recovery for lesion in lesions])),
        lost_count=sum(lesion.is_lost for lesion in lesions),
        lesion_count=len(lesions),
    )


def score_rows(report: ProbeReport) -> tuple[tuple[str, str, str, str, str], ...]:
    """Table of a report: what, how it is defined, shipped, now, Patlak."""
    columns = (report.shipped, report.now, report.patlak)
    cells = zip(*(_cells(scores) for scores in columns), strict=True)
    return tuple((*head, *row) for head, row in zip(_HEADS, cells, strict=True))


_HEADS = (
    ("Error, NRMSE", "Root of squared error over squared truth, inside the body."),
    ("Noise %", "Between two scans of the same person, relative to the mean true Ki."),
    ("Body bias %", "Error of the mean Ki of the body."),
    ("Lesion bias %", "Error of the mean Ki of a lesion, mean over lesions."),
    ("Contrast kept %", "Contrast of lesions to their surroundings over the true contrast."),
    ("Lost lesions", "Lesions with less than a tenth of their contrast, of those scored."),
)


def _cells(scores: ProbeScores) -> tuple[str, ...]:
    return (
        f"{scores.nrmse:.3f}",
        f"{100 * scores.noise:.0f}",
        _signed(scores.body_bias),
        _signed(scores.lesion_bias),
        f"{100 * scores.recovery:.0f}".replace("-", "\N{MINUS SIGN}"),
        f"{scores.lost_count} of {scores.lesion_count}",
    )


def _signed(share: float) -> str:
    return f"{100 * share:+.0f}".replace("-", "\N{MINUS SIGN}")
