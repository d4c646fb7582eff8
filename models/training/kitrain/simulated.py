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
from kiview.simulate.slab import SlabSimulation

_SECONDS_PER_MINUTE = 60.0


def group_of(slab: SlabSimulation, used: PlasmaCurve | None = None) -> TrainingGroup:
    """Both scans of a simulated person, with direct references and truth.

    Args:
        slab: With both direct references.
        used: Curve that the features are to be computed with, in SUV; None takes the true one.

    Raises:
        GroupError: the slab was simulated without its direct references.
    """
    if slab.direct is None or slab.direct_second is None:
        raise GroupError("Training needs the direct references of both scans; simulate them.")
    direct = (slab.direct, slab.direct_second)
    truth = Truth(slab.ki, slab.v0, _true_curve(slab), _true_basis(slab))
    spacing = slab.grid.spacing_zyx_mm
    return TrainingGroup(
        frames=np.stack([slab.frames, slab.frames_second]),
        unit=ActivityUnit.SUV,
        timing=slab.timing,
        curve=used or truth.curve,
        basis=truth.basis if used is None else _basis(slab, used),
        references={
            DIRECT: ReferenceMaps(
                ki=np.stack([maps.ki for maps in direct]),
                v0=np.stack([maps.v0 for maps in direct]),
                method="nested EM",
                settings=asdict(slab.config.direct) | {"subsets": slab.config.subsets},
            )
        },
        body=slab.body.astype(np.uint8),
        lesions=slab.lesion_index,
        labels=slab.labels,
        spacing_mm=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        identity=simulated_identity(slab.seed, asdict(slab.config)),
        truth=truth,
    )


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
