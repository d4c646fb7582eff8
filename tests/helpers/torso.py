"""A small asymmetric dynamic image for tests of views: every direction can be told apart."""

import numpy as np

from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage, ParametricMap, ScaledFrameStore
from kiview.core.provenance import Provenance
from kiview.core.suv import SuvScale
from kiview.core.timing import FrameTiming
from kiview.core.units import ACTIVITY, KI

SHAPE_ZYX = (20, 16, 24)
SPACING_ZYX_MM = (5.0, 4.0, 3.0)
START_S = np.array([0.0, 10, 20, 40, 60, 120, 1800, 2400, 3000])
DURATION_S = np.array([10.0, 10, 20, 20, 60, 1680, 600, 600, 600])
SUV_FACTOR = 1e-3
LEFT_SPOT_LPS_MM = np.array([19.5, -10.0, 22.5])
"""Brightest place: left, anterior, head of the middle."""


def geometry(directions_zyx=((0, 0, 1), (0, 1, 0), (1, 0, 0)), shape=SHAPE_ZYX):
    """Grid about the origin with unit vectors along z, y, x in LPS."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(directions_zyx, float).T * SPACING_ZYX_MM
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return VolumeGeometry(shape, affine)


def spot_values(grid):
    """(z, y, x) float32: a blob at `LEFT_SPOT_LPS_MM`, height 5, on a floor of 1."""
    position = grid.to_lps_mm(np.stack(np.indices(grid.shape_zyx), axis=-1))
    distance = ((position - LEFT_SPOT_LPS_MM) ** 2).sum(axis=-1)
    return (1 + 4 * np.exp(-0.5 * distance / 5.0**2)).astype(np.float32)


def dynamic_image(grid=None, *, with_suv=True):
    """Frames t of (t + 1) times the blob, in Bq/mL; SUV factor `SUV_FACTOR`."""
    grid = grid or geometry()
    spot = spot_values(grid)
    frames = np.stack([spot * (t + 1) for t in range(len(START_S))]).astype(np.float32)
    return DynamicImage(
        ScaledFrameStore(frames / np.float32(SUV_FACTOR)),
        grid,
        FrameTiming(START_S, DURATION_S),
        ACTIVITY,
        suv_scale=SuvScale(SUV_FACTOR) if with_suv else None,
        series_uid="1.2.3",
    )


def ki_map(grid=None, *, scale=0.01, modified=False, quantity=KI):
    """Map of `scale` times the blob, NaN on the first slice."""
    grid = grid or geometry()
    values = spot_values(grid) * np.float32(scale)
    values[0] = np.nan
    return ParametricMap(values, quantity, grid, Provenance("test", "KiView", modified=modified))


def add_maps(views):
    """Maps of both methods in the views."""
    views.set_map("patlak", ki_map(), "Patlak Ki", "Patlak", "30-60 min")
    views.set_map("network", ki_map(scale=0.011), "Network Ki", "network", "torso-ki")
