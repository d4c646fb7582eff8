"""Values that no patient has: told from the SUV of the last frame."""

from typing import Any

import numpy as np
import pytest

from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.study import Verdict
from kiview.core.timing import FrameTiming
from kiview.core.units import SUV_BW, UNKNOWN
from kiview.io.suv_check import suv_findings

READY, CONFIRM = Verdict.READY, Verdict.CONFIRM


def image(values: Any, quantity: Any = SUV_BW) -> DynamicImage:
    array = np.asarray(values, np.float32)
    geometry = VolumeGeometry(array.shape[1:], np.eye(4))
    starts = np.arange(len(array)) * 10.0
    return DynamicImage(
        ScaledFrameStore(array), geometry, FrameTiming(starts, np.full(len(array), 10.0)), quantity
    )


def frames(*levels: float) -> np.ndarray:
    return np.array(levels)[:, None, None, None] * np.ones((1, 70, 8, 8))


@pytest.mark.parametrize(
    ("levels", "is_told"),
    [
        ((1.0,), False),
        ((499.0,), False),
        ((501.0,), True),
        ((0.51,), False),
        ((0.49,), True),
        ((0.0,), True),
        ((9000.0, 4.0), False),  # the bolus in a vein
        ((4.0, 9000.0), True),
    ],
)
def test_that_impossible_suv_of_the_last_frame_is_told(
    levels: tuple[float, ...], is_told: bool
) -> None:
    told = suv_findings(image(frames(*levels)))
    assert [(one.code, one.suv, one.kinetics) for one in told] == (
        [("suv-implausible", CONFIRM, READY)] if is_told else []
    )


def test_that_a_small_hot_spot_is_enough_to_be_possible() -> None:
    """Of 70 x 64 voxels 0.1 % are 4.5: five of SUV 5 are above the 99.9th percentile, four not."""
    values = frames(0.1)
    values[0, 0, 0, :6] = 5.0
    assert suv_findings(image(values)) == ()
    values[0, 0, 0, 3:6] = 0.1
    (told,) = suv_findings(image(values))
    assert "99.9 %" in told.message


def test_that_values_without_suv_and_nan_are_not_judged() -> None:
    assert suv_findings(image(frames(9000.0), UNKNOWN)) == ()
    values = frames(1.0)
    values[0, ::2] = np.nan
    assert suv_findings(image(values)) == ()
    assert len(suv_findings(image(9000 * values))) == len(suv_findings(image(values / 9))) == 1
    assert suv_findings(image(frames(np.nan))) == ()
