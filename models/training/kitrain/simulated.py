"""A simulated slab as a training group."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from kitrain.groups import (
    DIRECT,
    ActivityUnit,
    CurveSource,
    GroupError,
    Identity,
    Origin,
    PlasmaCurve,
    ReferenceMaps,
    TrainingGroup,
    Truth,
)
from kiview.core.input_curves import SampledCurve
from kiview.core.provenance import JsonValue
from kiview.nets import preprocess
from kiview.nets.preprocess import FrameInput
from kiview.simulate.parametric import DirectSettings, DirectUpdate, PatlakImages
from kiview.simulate.recipe import recipe_of
from kiview.simulate.slab import SlabSimulation

_SECONDS_PER_MINUTE = 60.0


DIRECT_HIGH = "direct_high"
"""Name of a 4-D direct reference of a scan of its own with more counts."""
DIRECT_METHODS: dict[DirectUpdate, str] = {
    "nested": "nested EM",
    "method": "update of US 2021/0272340 A1",
}
_SOURCES: dict[str, CurveSource] = {
    "true": CurveSource.TRUE,
    "image": CurveSource.IMAGE,
    "scaled population": CurveSource.POPULATION_SCALED,
    "population": CurveSource.POPULATION,
}


def group_of(slab: SlabSimulation, used: PlasmaCurve | None = None) -> TrainingGroup:
    """Both scans of a simulated person, with direct references and truth.

    Args:
        slab: With both direct references.
        used: Curve that the features are to be computed with, in SUV; None takes the measured one
            of the slab, or the true one where it has none.

    Raises:
        GroupError: the slab was simulated without its direct references.
    """
    if slab.direct is None or slab.direct_second is None:
        raise GroupError("Training needs the direct references of both scans; simulate them.")
    used = used or _measured_curve(slab)
    truth = Truth(slab.ki, slab.v0, _true_curve(slab), _true_basis(slab))
    spacing = slab.grid.spacing_zyx_mm
    return TrainingGroup(
        frames=np.stack([slab.frames, slab.frames_second]),
        unit=ActivityUnit.SUV,
        timing=slab.timing,
        curve=used or truth.curve,
        basis=truth.basis if used is None else _basis(slab, used),
        references=_references(slab, slab.direct, slab.direct_second),
        body=slab.body.astype(np.uint8),
        lesions=slab.lesion_index,
        labels=slab.labels,
        spacing_mm=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        identity=simulated_identity(slab.seed, recipe_of(slab.config)),
        truth=truth,
    )


def _references(
    slab: SlabSimulation, first: PatlakImages, second: PatlakImages
) -> dict[str, ReferenceMaps]:
    settings = asdict(slab.config.direct) | {"subsets": slab.config.subsets}
    method = direct_method(slab.config.direct)
    found = {DIRECT: _reference((first, second), method, settings)}
    if slab.direct_high is not None:
        more = settings | {"counts": slab.config.high_counts}
        found[DIRECT_HIGH] = _reference((slab.direct_high,) * 2, method, more)
    return found


def _reference(
    maps: tuple[PatlakImages, PatlakImages], method: str, settings: dict[str, JsonValue]
) -> ReferenceMaps:
    ki, v0 = (np.stack([getattr(m, name) for m in maps]) for name in ("ki", "v0"))
    return ReferenceMaps(ki=ki, v0=v0, method=method, settings=settings)


def direct_method(settings: DirectSettings) -> str:
    """Name of a direct reconstruction, for records."""
    return DIRECT_METHODS[settings.update]


def _measured_curve(slab: SlabSimulation) -> PlasmaCurve | None:
    """The slab's input function with the errors of a measured one, if it has one."""
    measured = slab.measured
    if measured is None or measured.source == "true":
        return None
    time_s = measured.curve.time_min * _SECONDS_PER_MINUTE
    told = f"simulated, recovery {measured.recovery:.2f}, measured from {measured.starts_s:.0f} s"
    return PlasmaCurve(time_s, measured.curve.activity, _SOURCES[measured.source], told)


def simulated_identity(seed: int, settings: Mapping[str, object]) -> Identity:
    """A person is a seed; a scan is a seed seen by one protocol.

    Args:
        seed: Of everything random.
        settings: Configuration of the simulation, plain values.
    """
    text = json.dumps(settings, sort_keys=True)
    scan = f"sim-{seed}-{hashlib.sha256(text.encode('utf-8')).hexdigest()[:12]}"
    made_by: dict[str, JsonValue] = {"seed": seed, "config": json.loads(text)}
    return Identity(f"sim-{seed}", scan, Origin.SIMULATED, made_by)


def _true_curve(slab: SlabSimulation) -> PlasmaCurve:
    plasma = slab.plasma
    time_s = plasma.time_min * _SECONDS_PER_MINUTE
    return PlasmaCurve(time_s, plasma.activity, CurveSource.TRUE, "simulated, without error")


def _true_basis(slab: SlabSimulation) -> FrameInput:
    return FrameInput(slab.basis[1], slab.basis[0], slab.weights)


def _basis(slab: SlabSimulation, curve: PlasmaCurve) -> FrameInput:
    """Frame means of another curve, with the weights of the slab."""
    integral = SampledCurve(curve.time_s, curve.activity).integral
    means = preprocess.frame_input(slab.timing, integral, slab.config.scanner.half_life_s)
    return FrameInput(means.mean, means.integral_min, slab.weights)
