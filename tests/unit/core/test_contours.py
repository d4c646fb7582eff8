"""Contours: volumes of closed forms, holes, gaps, and any way the planes may lie."""

import numpy as np
import pytest
from skimage.draw import polygon2mask
from tests.helpers.phantoms import axial_affine
from tests.helpers.region_objects import circle, rectangle
from tests.helpers.results import oblique_geometry

from kiview.core.contours import fill, is_within, shape_of, stack_of
from kiview.core.errors import InvalidInputError
from kiview.core.geometry import VolumeGeometry
from kiview.core.roi import Roi
from kiview.core.roi_shapes import PolygonStack
from kiview.core.roi_voxels import VoxelSet


def grid(spacing_zyx=(3.0, 2.0, 2.0), shape=(20, 50, 50)):
    affine = axial_affine(spacing_zyx)
    affine[:3, 3] = -np.array(shape[::-1]) * spacing_zyx[::-1] / 2  # edges of 2 mm voxels are odd
    return VolumeGeometry(shape, affine)


def slices(geometry, *numbers):
    return [float(geometry.to_lps_mm([k, 0, 0])[2]) for k in numbers]


def read(contours, geometry):
    shape = shape_of(stack_of(contours, float(geometry.spacing_zyx_mm[0])), geometry)
    return shape, Roi("r", "r", "#ffffff", shape).rasterise(geometry)


def test_that_a_stack_of_circles_has_the_volume_of_a_cylinder():
    geometry = grid((3.0, 0.5, 0.5), (12, 160, 160))
    planes = slices(geometry, *range(2, 10))
    shape, mask = read([circle(30.0, z, (0.13, -0.21)) for z in planes], geometry)
    assert isinstance(shape, VoxelSet)  # 360 corners cannot be edited by hand
    assert mask.volume_ml == pytest.approx(np.pi * 3.0**2 * 0.3 * 8, rel=2e-3)


def test_that_a_box_has_its_volume_exactly_as_polygons_and_as_voxels():
    geometry = grid()
    planes = slices(geometry, 4, 5, 6, 7, 8)
    box = [rectangle((-11.0, 15.0), (-9.0, 21.0), z) for z in planes]
    shape, mask = read(box, geometry)
    assert isinstance(shape, PolygonStack)
    assert mask.volume_ml == pytest.approx(2.6 * 3.0 * 0.3 * 5)
    dense = [np.concatenate([np.linspace(a, b, 40, endpoint=False) for a, b in
             zip(one, np.roll(one, -1, axis=0), strict=True)]) for one in box]  # fmt: skip
    other, same = read(dense, geometry)
    assert isinstance(other, VoxelSet)
    np.testing.assert_array_equal(same.inside, mask.inside)


def test_that_a_contour_within_another_is_a_hole_and_beside_it_a_second_part():
    geometry = grid()
    (z,) = slices(geometry, 5)
    outer, inner = rectangle((-31, 31), (-31, 31), z), rectangle((-11, 11), (-11, 11), z)
    _, mask = read([outer, inner], geometry)
    assert mask.volume_ml == pytest.approx((6.2**2 - 2.2**2) * 0.3)
    beside = rectangle((33, 41), (-31, 31), z)
    _, mask = read([outer, beside], geometry)
    assert mask.volume_ml == pytest.approx((6.2**2 + 0.8 * 6.2) * 0.3)


def test_that_a_keyhole_cuts_the_same_hole():
    geometry = grid()
    (z,) = slices(geometry, 5)
    keyhole = np.array(
        [(-31, -31), (31, -31), (31, 0.3), (11, 0.3), (11, -11), (-11, -11), (-11, 11), (11, 11),
         (11, 0.3), (31, 0.3), (31, 31), (-31, 31)], float)  # fmt: skip
    _, mask = read([np.column_stack([keyhole, np.full(12, z)])], geometry)
    apart = [rectangle((-31, 31), (-31, 31), z), rectangle((-11, 11), (-11, 11), z)]
    np.testing.assert_array_equal(mask.inside, read(apart, geometry)[1].inside)


def test_that_missing_slices_interrupt_the_region_and_are_counted():
    geometry = grid()
    contours = [rectangle((-11, 11), (-11, 11), z) for z in slices(geometry, 3, 4, 5, 9, 10)]
    stack = stack_of(contours, 3.0)
    assert stack.gap_count == 1
    _, mask = read(contours, geometry)
    used = np.flatnonzero(mask.inside.any(axis=(1, 2)))
    assert used.tolist() == [3, 4, 5, 9, 10]
    assert mask.volume_ml == pytest.approx(2.2 * 2.2 * 0.3 * 5)


def test_that_contours_far_apart_everywhere_stand_for_what_lies_between():
    """A planning CT of 6 mm on a PET of 2 mm: each contour is a slab of 6 mm."""
    geometry = grid((2.0, 2.0, 2.0), (30, 50, 50))
    first = slices(geometry, 10)[0]
    contours = [rectangle((-11, 11), (-11, 11), first + 6.0 * k) for k in range(3)]
    _, mask = read(contours, geometry)
    assert mask.volume_ml == pytest.approx(2.2 * 2.2 * 1.8)


def test_that_one_contour_is_as_thick_as_a_slice():
    geometry = grid()
    (z,) = slices(geometry, 7)
    _, mask = read([circle(20.0, z)], geometry)
    assert np.flatnonzero(mask.inside.any(axis=(1, 2))).tolist() == [7]


def test_that_rows_are_filled_as_scikit_image_fills_them():
    random = np.random.default_rng(11)
    for _ in range(20):
        star = random.uniform(1, 29, (9, 2))
        expected = polygon2mask((30, 33), star)
        np.testing.assert_array_equal(fill([star], (30, 33)), expected)
        place = np.argwhere(np.ones((30, 33)))
        found = is_within([star], place.astype(float)).reshape(30, 33)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
def test_that_planes_may_be_coronal_or_sagittal(order):
    """The box of 22 x 62 mm on 3 planes, turned by exchanging the axes."""
    geometry = grid((2.0, 2.0, 2.0), (50, 50, 50))
    planes = slices(geometry, 20, 21, 22)
    contours = [rectangle((-11, 11), (-31, 31), z)[:, list(order)] for z in planes]
    shape, mask = read(contours, geometry)
    assert isinstance(shape, PolygonStack) == (order == (0, 1, 2))
    assert mask.volume_ml == pytest.approx(2.2 * 6.2 * 0.6)


def test_that_axial_contours_on_an_oblique_image_take_the_voxels_inside():
    """Every voxel centre is compared with the closed form of a cylinder."""
    geometry = oblique_geometry((24, 26, 28))
    centre = geometry.centre_lps_mm
    planes = centre[2] + np.arange(-4, 5) * 2.0
    contours = [circle(20.0, z, centre[:2], 2000) for z in planes]
    _, mask = read(contours, geometry)
    position = geometry.to_lps_mm(np.stack(np.indices(geometry.shape_zyx), -1))
    radius = np.hypot(*(position[..., :2] - centre[:2]).T).T
    w = position[..., 2] - centre[2]
    expected = (radius < 20.0) & (w >= -9.0) & (w < 9.0)
    assert expected.sum() > 50
    clear = np.abs(radius - 20.0) > 0.01
    np.testing.assert_array_equal(mask.inside[clear], expected[clear])


def test_that_lines_and_points_enclose_nothing_and_are_counted():
    geometry = grid()
    (z,) = slices(geometry, 5)
    line = np.array([[0.0, 0, z], [5, 5, z], [10, 10, z]])
    stack = stack_of([circle(20.0, z), line, line[:1]], 3.0)
    assert (stack.dropped, len(stack.planes)) == (2, 1)
    with pytest.raises(InvalidInputError, match="None of its contours encloses an area"):
        stack_of([line, line[:2]], 3.0)


def test_that_a_contour_that_is_not_flat_is_refused():
    bent = circle(20.0, 0.0)
    bent[::2, 2] += 5.0
    with pytest.raises(InvalidInputError, match="not flat on parallel planes"):
        stack_of([bent], 3.0)
    with pytest.raises(InvalidInputError, match="not flat on parallel planes"):
        stack_of([circle(20.0, 0.0), circle(10.0, 3.0)[:, [0, 2, 1]]], 3.0)


def test_that_contours_outside_the_image_give_nothing():
    geometry = grid()
    assert shape_of(stack_of([circle(20.0, 500.0)] * 3, 3.0), geometry) is None


def test_that_a_figure_of_eight_becomes_voxels():
    geometry = grid()
    (z,) = slices(geometry, 5)
    eight = np.array([(-21, -21, z), (21, 21.5, z), (21, -21, z), (-21, 22.1, z)], float)
    shape, mask = read([eight], geometry)
    assert mask.voxel_count > 50
    assert isinstance(shape, VoxelSet | PolygonStack)


def test_that_contours_a_little_beside_the_slices_become_polygons_on_them():
    geometry = grid()
    contours = [rectangle((-11, 15), (-9, 21), z + 0.2) for z in slices(geometry, 4, 5, 6)]
    shape, mask = read(contours, geometry)
    assert isinstance(shape, PolygonStack)
    assert [c.position_mm for c in shape.contours] == pytest.approx(slices(geometry, 4, 5, 6))
    assert mask.volume_ml == pytest.approx(2.6 * 3.0 * 0.3 * 3)
