"""Where voxels are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from kiview.core.errors import InvalidInputError
from kiview.core.geometry import VolumeGeometry


def geometry(rotation=(0.0, 0.0, 0.0), spacing_zyx=(3.0, 2.0, 1.5), origin=(10.0, -20.0, 30.0)):
    affine = np.eye(4)
    axes = Rotation.from_euler("xyz", rotation, degrees=True).as_matrix()
    affine[:3, :3] = axes[:, ::-1] * spacing_zyx
    affine[:3, 3] = origin
    return VolumeGeometry((7, 6, 5), affine)


@given(st.tuples(*[st.floats(-180, 180)] * 3), st.tuples(*[st.floats(0.5, 8)] * 3))
def test_that_index_to_position_and_back_is_the_identity(rotation, spacing):
    grid = geometry(rotation, spacing)
    index = np.array([[0, 0, 0], [6, 5, 4], [1.5, 2.25, 3.75]])
    np.testing.assert_allclose(grid.to_index(grid.to_lps_mm(index)), index, atol=1e-9)
    np.testing.assert_allclose(grid.spacing_zyx_mm, spacing)
    assert grid.voxel_volume_ml == pytest.approx(np.prod(spacing) / 1000)


def test_that_positions_are_in_left_posterior_head_order():
    grid = geometry()
    np.testing.assert_allclose(grid.to_lps_mm([1, 0, 0]), [10, -20, 33])
    np.testing.assert_allclose(grid.to_lps_mm([0, 0, 2]), [13, -20, 30])
    np.testing.assert_allclose(grid.centre_lps_mm, [13, -15, 39])


def test_that_the_nearest_voxel_of_a_position_outside_is_none():
    grid = geometry()
    assert grid.nearest_index([11.6, -17.8, 30.2]) == (0, 1, 1)
    assert grid.nearest_index([1000, 0, 0]) is None


@pytest.mark.parametrize(
    ("rotation", "axis", "letters"),
    [
        ((0, 0, 0), 2, ("R", "L")),
        ((0, 0, 0), 1, ("A", "P")),
        ((0, 0, 0), 0, ("F", "H")),
        ((180, 0, 0), 0, ("H", "F")),
        ((0, 0, 180), 2, ("L", "R")),
        ((30, 0, 0), 0, ("FP", "HA")),
    ],
)
def test_that_axes_are_lettered_by_where_they_point(rotation, axis, letters):
    assert geometry(rotation).axis_letters(axis) == letters


def test_that_grids_match_only_at_the_same_place():
    grid = geometry()
    assert grid == geometry()
    assert grid.matches(geometry(origin=(10.005, -20, 30)))
    assert not grid.matches(geometry(origin=(10.1, -20, 30)))
    assert not grid.matches(VolumeGeometry((7, 6, 4), grid.affine_lps_mm))
    assert grid != VolumeGeometry((7, 6, 5), grid.affine_lps_mm, "1.2.3")


@pytest.mark.parametrize(
    ("shape", "affine", "sentence"),
    [
        ((0, 2, 2), np.eye(4), "no voxels"),
        ((2, 2, 2), np.full((4, 4), np.nan), "not defined"),
        ((2, 2, 2), np.diag([1.0, 0, 1, 1]), "not three directions"),
    ],
)
def test_that_impossible_grids_are_refused(shape, affine, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        VolumeGeometry(shape, affine)
