"""Phantoms with known values: asymmetric in every axis, so that no flip goes unseen."""

import numpy as np
from numpy.typing import NDArray

QUANTUM_BQML = 2.5
"""Every activity of `asymmetric_phantom` is a whole multiple of this."""


def asymmetric_phantom(
    shape_zyx: tuple[int, int, int] = (5, 8, 11), frame_count: int = 4, seed: int = 7
) -> NDArray[np.float64]:
    """Activity (t, z, y, x) in Bq/mL at injection, a different value in every voxel region.

    A slow ramp along each axis (with different weights), a hot corner block at high z, low y and
    low x, noise, and a level per frame; all whole multiples of `QUANTUM_BQML`.
    """
    rng = np.random.default_rng(seed)
    z, y, x = np.indices(shape_zyx)
    steps = 40 + 90 * z + 17 * y + 5 * x + rng.integers(0, 9, shape_zyx)
    steps[-2:, :2, :3] += 1500
    level = 1 + np.arange(frame_count)
    return QUANTUM_BQML * (steps[None] * level[:, None, None, None]).astype(np.float64)


def axial_affine(
    spacing_zyx_mm: tuple[float, float, float] = (3.27, 2.5, 1.75),
    corner_lps_mm: tuple[float, float, float] = (-41.5, -87.25, -612.3),
) -> NDArray[np.float64]:
    """Head-first: x to the left, y to the back, z to the head."""
    return _affine(np.eye(3)[:, ::-1], spacing_zyx_mm, corner_lps_mm)


def feet_first_affine(
    spacing_zyx_mm: tuple[float, float, float] = (3.27, 2.5, 1.75),
    corner_lps_mm: tuple[float, float, float] = (38.5, -87.25, -112.3),
) -> NDArray[np.float64]:
    """Feet-first: x to the right, y to the back, z to the feet."""
    axes = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    return _affine(axes, spacing_zyx_mm, corner_lps_mm)


def oblique_affine(
    spacing_zyx_mm: tuple[float, float, float] = (3.27, 2.5, 1.75),
    corner_lps_mm: tuple[float, float, float] = (-41.5, -87.25, -612.3),
) -> NDArray[np.float64]:
    """Turned by 20 degrees about x and 12 degrees about z."""
    a, b = np.deg2rad(20.0), np.deg2rad(12.0)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    return _affine((about_z @ about_x)[:, ::-1], spacing_zyx_mm, corner_lps_mm)


def _affine(
    axes_zyx: NDArray[np.float64],
    spacing_zyx_mm: tuple[float, float, float],
    corner_lps_mm: tuple[float, float, float],
) -> NDArray[np.float64]:
    affine = np.eye(4)
    affine[:3, :3] = axes_zyx * np.asarray(spacing_zyx_mm)
    affine[:3, 3] = corner_lps_mm
    return affine
