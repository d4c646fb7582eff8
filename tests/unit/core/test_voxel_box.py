"""Where a plane cuts a box of voxels."""

import numpy as np
import pytest

from kiview.core.geometry import VolumeGeometry
from kiview.core.reslice import Plane
from kiview.core.voxel_box import VoxelBox

UPRIGHT = np.array([[0.0, 0, 2, -10], [0, 2, 0, -20], [3, 0, 0, -30], [0, 0, 0, 1]])


def grid(affine=UPRIGHT):
    return VolumeGeometry((20, 18, 16), affine)


def area(corners):
    u, v = corners.T
    return abs(np.sum(u * np.roll(v, -1) - v * np.roll(u, -1))) / 2


@pytest.mark.parametrize(
    ("plane", "expected"),
    [(Plane.AXIAL, 3 * 2 * 5 * 2), (Plane.CORONAL, 3 * 2 * 4 * 3), (Plane.SAGITTAL, 5 * 2 * 4 * 3)],
)
def test_that_an_upright_box_is_cut_in_a_rectangle_of_its_size(plane, expected):
    box = VoxelBox(grid(), (4, 6, 7), (8, 11, 10))
    middle = plane.to_screen_mm(grid().to_lps_mm((5.5, 8, 8)))
    corners = box.cut(plane, middle[2])
    assert corners.shape == (4, 2)
    np.testing.assert_allclose(corners.mean(axis=0), middle[:2])
    assert area(corners) == pytest.approx(expected)


def test_that_a_plane_beside_the_box_cuts_nothing():
    box = VoxelBox(grid(), (4, 6, 7), (8, 11, 10))
    low = grid().to_lps_mm((3.5, 0, 0))[2]
    assert box.cut(Plane.AXIAL, low - 0.1).shape == (0, 2)
    assert box.cut(Plane.AXIAL, low + 0.1).shape == (4, 2)


def test_that_a_tilted_box_is_cut_where_its_voxels_are():
    c, s = np.cos(0.6), np.sin(0.6)
    turn = np.array([[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, 1.0]])
    tilted = grid(turn @ UPRIGHT)
    box = VoxelBox(tilted, (4, 6, 7), (8, 11, 10))
    w = Plane.AXIAL.to_screen_mm(tilted.to_lps_mm((5.5, 8, 8)))[2]
    corners = box.cut(Plane.AXIAL, w)
    assert len(corners) in (4, 5, 6)
    screen = np.column_stack([corners, np.full(len(corners), w)])
    index = tilted.to_index(Plane.AXIAL.to_lps_mm(screen))
    low, high = np.array([3.5, 5.5, 6.5]), np.array([7.5, 10.5, 9.5])
    on_face = np.isclose(index, low) | np.isclose(index, high)
    assert (on_face.sum(axis=1) >= 2).all()
    assert ((index >= low - 1e-9) & (index <= high + 1e-9)).all()
    edges = np.roll(corners, -1, axis=0) - corners
    after = np.roll(edges, -1, axis=0)
    turned = edges[:, 0] * after[:, 1] - edges[:, 1] * after[:, 0]
    assert (turned > 0).all() or (turned < 0).all()


def test_that_the_whole_grid_is_a_box():
    whole = VoxelBox(grid(), (4, 6, 7), (8, 11, 10)).whole_grid
    assert area(whole.cut(Plane.AXIAL, 0.0)) == pytest.approx(16 * 2 * 18 * 2)
