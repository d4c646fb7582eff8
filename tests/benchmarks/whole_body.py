"""A whole body as a study: its frames, what they hold, and one that maps a single file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kiview.core.feng import FENG_FDG_NO_DELAY
from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.input_curves import FengCurve
from kiview.core.input_function import Compartment, InputFunction, InputSource
from kiview.core.study import PatientInfo, Series, SeriesKind, Study
from kiview.core.suv import SuvScale
from kiview.core.timing import FrameTiming
from kiview.core.tracer import F18_HALF_LIFE_S, Injection, Radionuclide
from kiview.core.units import ACTIVITY

DURATIONS_S = np.array([5.0] * 24 + [10.0] * 12 + [30.0] * 10 + [120.0] * 11 + [180.0] * 12)
"""69 frames of an hour."""
KI_PER_MIN, V0, NOISE = 0.005, 0.4, 0.02
FIELD_ZYX_MM = (1064.0, 726.0, 726.0)


@dataclass(frozen=True)
class Size:
    """How large the study is.

    Attributes:
        shape_zyx: Voxels of a frame.
        repeats: How often short work is done; 1 where the files exceed the memory.
    """

    shape_zyx: tuple[int, int, int]
    repeats: int


REDUCED, FULL = Size((96, 220, 220), 3), Size((645, 440, 440), 1)


def plasma() -> InputFunction:
    """Feng input in Bq/mL."""
    curve = FengCurve(FENG_FDG_NO_DELAY, 1000.0)
    return InputFunction(curve, InputSource.POPULATION, ACTIVITY, Compartment.PLASMA)


def affine(size: Size) -> NDArray[np.float64]:
    """Index (z, y, x, 1) to LPS mm: a field of view of a whole body about the origin."""
    spacing = np.array(FIELD_ZYX_MM) / size.shape_zyx
    made = np.zeros((4, 4))
    made[[2, 1, 0], [0, 1, 2]] = spacing
    made[:3, 3] = -((np.array(size.shape_zyx) - 1) / 2 * spacing)[::-1]
    made[3, 3] = 1
    return made


def stored_body(size: Size) -> NDArray[np.int16]:
    """(z, y, x) an ellipsoid with some noise."""
    z, y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in size.shape_zyx)
    flat = (x / 0.55) ** 2 + (y[:, None] / 0.35) ** 2
    voxels = np.empty(size.shape_zyx, np.int16)
    rng = np.random.default_rng(0)
    for k, at in enumerate(z):
        inside = np.clip(1.2 - flat - at**4, 0, 1)
        voxels[k] = inside * (20000 + 400 * rng.standard_normal(flat.shape, np.float32))
    return voxels


def frame_starts_s() -> NDArray[np.float64]:
    """(t,) one frame after the other."""
    return np.cumsum(DURATIONS_S) - DURATIONS_S


def slopes() -> NDArray[np.float64]:
    """(t,) Bq/mL of stored value 1: the tissue takes up tracer as Patlak says, but for some noise.

    Without it the fit would leave nothing, as in no scan, and that takes longer.
    """
    mid = frame_starts_s() + DURATIONS_S / 2
    curve = KI_PER_MIN * plasma().integral(mid) / 60 + V0 * plasma().at(mid)
    noise = np.random.default_rng(1).standard_normal(len(mid))
    return curve * (1 + NOISE * noise) / 20000


def shared_frames(folder: Path) -> Study:
    """A study of full size whose frames map one file, each with a slope of its own."""
    path = folder / "frame.npy"
    np.save(path, stored_body(FULL))
    one = np.load(path, mmap_mode="r")
    voxels = np.broadcast_to(one, (len(DURATIONS_S), *FULL.shape_zyx), subok=True)
    image = DynamicImage(
        ScaledFrameStore(voxels, slopes()[:, None]),
        VolumeGeometry(FULL.shape_zyx, affine(FULL)),
        FrameTiming(frame_starts_s(), DURATIONS_S),
        ACTIVITY,
        Injection(Radionuclide("18F", F18_HALF_LIFE_S), 3.5e8, "FDG"),
        SuvScale(70e3 / 3.5e8),
        series_uid="1.2.3",
    )
    series = Series("1.2.3", SeriesKind.DYNAMIC, "PT", "whole body", image)
    return Study("1.2", PatientInfo(), (series,), source=str(folder))
