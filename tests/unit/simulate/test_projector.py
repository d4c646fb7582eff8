"""Projector: adjoint, conservation, line integrals."""

import numpy as np
import pytest

from kiview.simulate.projector import (
    ProjectorGeometry,
    back_matrix,
    field_of_view,
    forward_matrix,
    project,
    subset_order,
    support_subsets,
)

GEOMETRY = ProjectorGeometry(pixels=48, bins=48, angles=30, width_mm=300.0)


def disc(pixels, width_mm, radius_mm, centre=(0.0, 0.0)):
    """Disc of activity 1, averaged over 8 x 8 points per pixel."""
    step = width_mm / pixels
    points = (np.arange(8 * pixels) + 0.5) * step / 8 - width_mm / 2
    inside = np.hypot(points[:, None] - centre[1], points[None, :] - centre[0]) <= radius_mm
    return inside.reshape(pixels, 8, pixels, 8).mean(axis=(1, 3)).astype(np.float32)


def test_that_back_projection_is_the_exact_adjoint():
    rng = np.random.default_rng(0)
    forward, back = forward_matrix(GEOMETRY.sampling), back_matrix(GEOMETRY.sampling)
    x, y = (rng.random(n, dtype=np.float32) for n in (48 * 48, 30 * 48))
    left = np.dot((forward @ x).astype(np.float64), y)
    right = np.dot(x.astype(np.float64), back @ y)
    assert left == pytest.approx(right, rel=1e-5)


def test_that_subset_matrices_are_adjoint_and_cover_every_angle_once():
    support = field_of_view(48)
    subsets = support_subsets(GEOMETRY, support, 6)
    x = np.random.default_rng(1).random((48, 48), dtype=np.float32) * support
    whole = project(GEOMETRY, x[:, :, None])[:, :, 0]
    for s, matrices in zip(subset_order(6), subsets, strict=True):
        part = (matrices.forward @ x[support]).reshape(5, 48)
        np.testing.assert_allclose(part, whole[s::6], rtol=1e-4, atol=1e-3)
        assert abs(matrices.forward.T - matrices.back).max() == 0
    assert sorted(subset_order(6)) == list(range(6))


def test_that_every_angle_sees_all_the_activity():
    image = disc(48, 300.0, 60.0, (40.0, -30.0))
    sinogram = project(GEOMETRY, image[:, :, None])
    totals = sinogram.sum(axis=(1, 2)) * GEOMETRY.bin_mm
    np.testing.assert_allclose(totals, image.sum() * GEOMETRY.pixel_mm**2, rtol=1e-4)


def test_that_the_middle_of_a_disc_projects_to_its_diameter():
    geometry = ProjectorGeometry(128, 64, 12, 256.0)
    sinogram = project(geometry, disc(128, 256.0, 80.0)[:, :, None])[:, :, 0]
    bins = (np.arange(64) + 0.5) * 4 - 128
    chord = 2 * np.sqrt(np.maximum(80.0**2 - bins**2, 0))
    inner = np.abs(bins) < 70
    np.testing.assert_allclose(sinogram[:, inner], np.tile(chord[inner], (12, 1)), rtol=0.01)


def test_that_the_shadow_moves_to_the_side_where_the_activity_is():
    geometry = ProjectorGeometry(64, 64, 2, 256.0)
    sinogram = project(geometry, disc(64, 256.0, 10.0, (60.0, 30.0))[:, :, None])[:, :, 0]
    bins = (np.arange(64) + 0.5) * 4 - 128
    middle = (sinogram * bins).sum(axis=1) / sinogram.sum(axis=1)
    theta = np.pi * (np.arange(2) + 0.5) / 2
    np.testing.assert_allclose(middle, 60 * np.cos(theta) + 30 * np.sin(theta), atol=0.5)


def test_that_fine_and_coarse_pixels_give_the_same_sinogram():
    coarse = ProjectorGeometry(64, 64, 9, 256.0)
    fine = ProjectorGeometry(128, 64, 9, 256.0)
    a = project(coarse, disc(64, 256.0, 60.0)[:, :, None])
    b = project(fine, disc(128, 256.0, 60.0)[:, :, None])
    assert np.abs(a - b).max() < 0.03 * b.max()


def test_that_scale_changes_projections_only_by_length():
    image = disc(48, 300.0, 60.0)[:, :, None]
    half = ProjectorGeometry(48, 48, 30, 150.0)
    np.testing.assert_allclose(project(half, image), project(GEOMETRY, image) / 2, rtol=1e-5)
