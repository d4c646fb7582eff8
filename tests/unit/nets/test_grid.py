import numpy as np
import pytest
from tests.helpers.phantoms import oblique_affine

from kiview.core.geometry import VolumeGeometry
from kiview.nets.grid import plan_grid


def resampled(plan, volume):
    target = np.zeros((1, *plan.geometry.shape_zyx), np.float32)
    for z in range(0, volume.shape[0], 3):
        plan.add_slices(target, plan.in_plane(volume[None, z : z + 3]), z)
    return target[0]


def position_ramp(geometry):
    index = np.stack(np.indices(geometry.shape_zyx), axis=-1)
    return geometry.to_lps_mm(index) @ np.array([0.3, -0.2, 0.5])


@pytest.mark.parametrize(
    "spacing", [(3.27, 2.5, 1.75), (2.0, 1.5, 1.0), (6.0, 7.0, 8.0), (4, 4, 4)]
)
def test_that_a_linear_ramp_stays_where_it_is_in_the_patient(spacing):
    source = VolumeGeometry((14, 20, 24), oblique_affine())
    plan = plan_grid(source, spacing)
    ramp = position_ramp(source).astype(np.float32)
    np.testing.assert_allclose(plan.geometry.spacing_zyx_mm, spacing, rtol=0.02)
    inner = (slice(3, -3),) * 3
    if min(plan.geometry.shape_zyx) <= 6:
        inner = (slice(1, -1),) * 3
    expected = position_ramp(plan.geometry)[inner]
    np.testing.assert_allclose(resampled(plan, ramp)[inner], expected, atol=1e-3)


def test_that_the_same_volume_is_covered():
    source = VolumeGeometry((30, 50, 60), oblique_affine((2.0, 2.0, 2.0)))
    plan = plan_grid(source, (4.0, 4.0, 4.0))
    np.testing.assert_allclose(plan.geometry.centre_lps_mm, source.centre_lps_mm, atol=1e-9)
    assert plan.geometry.shape_zyx == (15, 25, 30)


def test_that_an_equal_spacing_changes_nothing():
    source = VolumeGeometry((4, 6, 8), oblique_affine((4.0, 4.03, 3.98)))
    plan = plan_grid(source, (4.0, 4.0, 4.0))
    assert plan.is_identity
    assert plan.geometry == source
    volume = np.random.default_rng(0).random((4, 6, 8), np.float32)
    np.testing.assert_array_equal(resampled(plan, volume), volume)
    np.testing.assert_array_equal(plan.slice_values(np.arange(4.0)), np.arange(4.0))


def test_that_a_constant_stays_constant_up_to_the_edge():
    source = VolumeGeometry((5, 7, 9), oblique_affine((3.0, 2.7, 5.1)))
    plan = plan_grid(source, (4.0, 4.0, 4.0))
    np.testing.assert_allclose(resampled(plan, np.full((5, 7, 9), 2.5, np.float32)), 2.5, rtol=1e-6)
    np.testing.assert_allclose(plan.slice_values(np.full(5, 3.0)), 3.0)
