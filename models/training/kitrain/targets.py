"""What a network is asked for: truth, or a reference of the same or of an independent scan."""

from enum import StrEnum

import numpy as np

from kitrain.groups import DIRECT, GroupError, ReferenceMaps, Volume
from kitrain.records import GroupRecord
from kiview.nets.preprocess import smooth

INDEPENDENT = "direct_independent"
"""Name of a reference made of other counts than the frames (a second scan, half a list)."""


class Target(StrEnum):
    """Where the target of a training comes from."""

    TRUTH = "truth"
    DIRECT = "direct"
    INDEPENDENT = "indep"
    BEST = "best"
    """Truth where it is known, else an independent reference, else the direct one."""


def target_maps(
    record: GroupRecord, target: Target, realisation: int, blur_mm: float
) -> tuple[Volume, Volume]:
    """Ki and V that a network is trained towards, in the scale of the group's curve.

    Args:
        record: The group.
        target: Whose maps; `indep` takes the reference of counts that the frames do not hold.
        realisation: Of the frames.
        blur_mm: FWHM of a 3-D Gaussian on the maps, 0 for none.

    Returns:
        Both (z, y, x) in /min; V is NaN where the reference has none.

    Raises:
        GroupError: the group knows no such maps.
    """
    if target is Target.BEST:
        target = _best(record)
    if target is Target.TRUTH:
        maps = (record.ki, record.v)
    elif target is Target.DIRECT:
        maps = _reference_maps(record, record.reference(DIRECT), realisation)
    else:
        maps = _independent_maps(record, realisation)
    scale, width = np.float32(record.target_scale), (blur_mm,) * 3
    ki, v = (smooth(values * scale, width, record.spacing_mm) for values in maps)
    return ki, v


def direct_v(record: GroupRecord, realisation: int) -> Volume:
    """V of the 4-D direct reference in the scale of the group's curve, NaN if there is none."""
    if DIRECT not in record.references:
        return np.full(record.body.shape, np.nan, np.float32)
    _, v = _reference_maps(record, record.references[DIRECT], realisation)
    return v * np.float32(record.target_scale)


def _best(record: GroupRecord) -> Target:
    if record.truth is not None:
        return Target.TRUTH
    others = len(record.features) > 1 or INDEPENDENT in record.references
    return Target.INDEPENDENT if others else Target.DIRECT


def _independent_maps(record: GroupRecord, realisation: int) -> tuple[Volume, Volume]:
    if INDEPENDENT in record.references:
        return _reference_maps(record, record.references[INDEPENDENT], realisation)
    reference = record.reference(DIRECT)
    count = len(reference.ki)
    if count < 2:
        raise GroupError(
            f"{record.identity.scan} has one realisation, so its direct reference shares the noise"
            f" of its frames; add a reference {INDEPENDENT!r} or train on {Target.DIRECT.value!r}."
        )
    return _reference_maps(record, reference, (realisation + 1) % count)


def _reference_maps(
    record: GroupRecord, reference: ReferenceMaps, realisation: int
) -> tuple[Volume, Volume]:
    ki: Volume = reference.ki[realisation]
    if reference.v0 is None:
        return ki, np.full_like(ki, np.nan)
    return ki, reference.v0[realisation] * record.v_per_v0
