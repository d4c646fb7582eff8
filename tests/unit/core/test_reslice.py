"""Planes of the patient: left is left whatever the grid, positions and values agree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kiview.core import reslice
from kiview.core.errors import InvalidInputError
from kiview.core.geometry import VolumeGeometry
from kiview.core.reslice import (
    ArraySource,
    Plane,
    Reslicer,
    VoxelSource,
    bounds_lps_mm,
    sample_linear,
    value_at,
)

SPACING_ZYX = (3.0, 2.0, 1.5)
SHAPE_ZYX = (14, 18, 24)


def affine(directions_zyx, spacing=SPACING_ZYX, shape=SHAPE_ZYX, centre=(5.0, -7.0, 30.0)):
    """Affine of a volume with the given unit vectors along z, y, x about a centre in LPS."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(directions_zyx, float).T * spacing
    matrix[:3, 3] = np.array(centre) - matrix[:3, :3] @ ((np.array(shape) - 1) / 2)
    return matrix


def rotated(degrees):
    """Directions of an axial volume tilted about x and turned about z."""
    a, b = np.radians(degrees), np.radians(0.6 * degrees)
    tilt = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    turn = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    return (tilt @ turn @ np.eye(3)[:, ::-1]).T


ORIENTATIONS = {
    "axial head first supine": [(0, 0, 1), (0, 1, 0), (1, 0, 0)],
    "feet first supine": [(0, 0, -1), (0, 1, 0), (-1, 0, 0)],
    "head first prone": [(0, 0, 1), (0, -1, 0), (-1, 0, 0)],
    "coronal stack": [(0, 1, 0), (0, 0, -1), (1, 0, 0)],
    "sagittal stack": [(1, 0, 0), (0, 0, -1), (0, 1, 0)],
    "left-handed": [(0, 0, 1), (0, 1, 0), (-1, 0, 0)],
    "tilted by 20 degrees": rotated(20),
    "tilted by 50 degrees": rotated(50),
    "turned about a diagonal": [
        (2 / 3, 2 / 3, -1 / 3),
        (-1 / 3, 2 / 3, 2 / 3),
        (2 / 3, -1 / 3, 2 / 3),
    ],
}


@pytest.fixture(params=ORIENTATIONS)
def phantom(request):
    """A blob towards left, posterior, head, whose value tells the place: asymmetric in all axes."""
    geometry = VolumeGeometry(SHAPE_ZYX, affine(ORIENTATIONS[request.param]))
    index = np.stack(np.indices(SHAPE_ZYX), axis=-1)
    position = geometry.to_lps_mm(index)
    blob = geometry.centre_lps_mm + np.array([6.0, 3.0, 9.0])
    values = np.exp(-0.5 * ((position - blob) ** 2).sum(axis=-1) / 4.0**2).astype(np.float32)
    return ArraySource(values, geometry), blob


@pytest.mark.parametrize("plane", list(Plane))
def test_that_a_place_appears_where_the_patient_has_it(phantom, plane):
    source, blob = phantom
    reslicer = Reslicer(source.geometry)
    u, v, w = plane.to_screen_mm(blob)
    image = reslicer.read(source, plane, reslicer.slice_index(plane, w))
    row, column = np.unravel_index(np.nanargmax(image.values), image.values.shape)
    u_centres, v_centres = image.grid.centres_mm()
    assert u_centres[column] == pytest.approx(u, abs=image.grid.column_mm)
    assert v_centres[row] == pytest.approx(v, abs=image.grid.row_mm)


def test_that_patient_left_is_right_on_the_screen_and_head_is_up(phantom):
    source, _ = phantom
    reslicer = Reslicer(source.geometry)
    centre = source.geometry.centre_lps_mm
    for plane in Plane:
        index = reslicer.slice_index(plane, centre[plane.normal_axis])
        values = np.nan_to_num(reslicer.read(source, plane, index).values)
        rows, columns = values.shape
        on_right = values[:, columns // 2 :].sum() > values[:, : columns // 2].sum()
        on_top = values[: rows // 2].sum() > values[rows // 2 :].sum()
        assert on_right, "left of the patient (or posterior, sagittal) is on the right"
        assert on_top == (plane != Plane.AXIAL), "head is up, posterior is down"


@pytest.mark.parametrize(
    ("plane", "letters"),
    [
        (Plane.AXIAL, ("R", "L", "A", "P")),
        (Plane.CORONAL, ("R", "L", "H", "F")),
        (Plane.SAGITTAL, ("A", "P", "H", "F")),
    ],
)
def test_that_letters_name_the_edges_as_radiologists_see_them(plane, letters):
    names = {(0, 1): "L", (0, -1): "R", (1, 1): "P", (1, -1): "A", (2, 1): "H", (2, -1): "F"}
    right, down, _ = plane.axes_lps

    def letter(direction):
        axis = int(np.argmax(np.abs(direction)))
        return names[axis, int(np.sign(direction[axis]))]

    assert plane.letters == (letter(-right), letter(right), letter(-down), letter(down))
    assert plane.letters == letters


@pytest.mark.parametrize("plane", list(Plane))
@given(
    position=arrays(
        np.float64, (3,), elements=st.floats(-500, 500, allow_nan=False, allow_subnormal=False)
    )
)
def test_that_screen_and_patient_millimetres_are_the_same_place(plane, position):
    np.testing.assert_allclose(plane.to_lps_mm(plane.to_screen_mm(position)), position, atol=1e-12)


@pytest.mark.parametrize("plane", list(Plane))
@pytest.mark.parametrize("name", [name for name in ORIENTATIONS if not name.startswith("t")])
def test_that_aligned_volumes_are_shown_voxel_by_voxel(name, plane):
    geometry = VolumeGeometry(SHAPE_ZYX, affine(ORIENTATIONS[name]))
    values = np.random.default_rng(3).random(SHAPE_ZYX, np.float32)
    source, reslicer = ArraySource(values, geometry), Reslicer(geometry)
    assert reslicer.is_aligned
    for index in (0, reslicer.slice_count(plane) - 1):
        image = reslicer.read(source, plane, index)
        u, v = image.grid.centres_mm()
        for row, column in [(0, 0), (0, -1), (-1, 0), (2, 3)]:
            place = plane.to_lps_mm([u[column], v[row], image.position_mm])
            voxel = geometry.to_index(place)
            np.testing.assert_allclose(voxel, np.rint(voxel), atol=1e-9)
            assert image.values[row, column] == values[tuple(np.rint(voxel).astype(int))]


def test_that_pixels_are_as_large_as_the_voxels_along_them():
    reslicer = Reslicer(VolumeGeometry(SHAPE_ZYX, affine(ORIENTATIONS["coronal stack"])))
    axial, sagittal = reslicer.grid(Plane.AXIAL), reslicer.grid(Plane.SAGITTAL)
    assert (axial.column_mm, axial.row_mm, axial.shape) == (1.5, 3.0, (14, 24))
    assert (sagittal.column_mm, sagittal.row_mm, sagittal.shape) == (3.0, 2.0, (18, 14))
    assert reslicer.step_mm(Plane.CORONAL) == 3.0


def test_that_a_volume_tilted_by_less_than_half_a_voxel_counts_as_aligned():
    half_voxel_mm = 0.5 * min(SPACING_ZYX)
    longest_mm = max(np.array(SPACING_ZYX) * SHAPE_ZYX)
    small = np.degrees(0.5 * half_voxel_mm / longest_mm)
    assert Reslicer(VolumeGeometry(SHAPE_ZYX, affine(rotated(small)))).is_aligned
    for degrees in (20, 45, 50):
        assert not Reslicer(VolumeGeometry(SHAPE_ZYX, affine(rotated(degrees)))).is_aligned


def test_that_oblique_planes_equal_linear_interpolation_of_a_linear_field():
    geometry = VolumeGeometry(SHAPE_ZYX, affine(rotated(25)))
    slope = np.array([0.3, -0.2, 0.5])
    values = (geometry.to_lps_mm(np.stack(np.indices(SHAPE_ZYX), -1)) @ slope).astype(np.float32)
    source, reslicer = ArraySource(values, geometry), Reslicer(geometry)
    image = reslicer.read(source, Plane.CORONAL, reslicer.slice_count(Plane.CORONAL) // 2)
    u, v = image.grid.centres_mm()
    screen = np.stack(np.broadcast_arrays(u, v[:, None], image.position_mm), -1)
    place = Plane.CORONAL.to_lps_mm(screen)
    index = geometry.to_index(place)
    within = ((index >= 0) & (index <= np.array(SHAPE_ZYX) - 1)).all(axis=-1)
    assert within.sum() > 50
    np.testing.assert_allclose(image.values[within], (place @ slope)[within], atol=2e-4)
    outside = (index < -0.5 - 1e-6).any(-1) | (index > np.array(SHAPE_ZYX) - 0.5 + 1e-6).any(-1)
    np.testing.assert_array_equal(np.isnan(image.values), outside)


def test_that_oblique_volumes_refuse_voxel_planes():
    reslicer = Reslicer(VolumeGeometry(SHAPE_ZYX, affine(rotated(25))))
    with pytest.raises(InvalidInputError, match="oblique"):
        reslicer.voxel_plane(Plane.AXIAL, 0)


def test_that_slices_beyond_the_ends_are_the_end_slices():
    reslicer = Reslicer(VolumeGeometry(SHAPE_ZYX, affine(ORIENTATIONS["left-handed"])))
    assert reslicer.slice_index(Plane.AXIAL, -1e4) == 0
    assert reslicer.slice_index(Plane.AXIAL, 1e4) == SHAPE_ZYX[0] - 1
    positions = [reslicer.slice_position_mm(Plane.AXIAL, i) for i in range(SHAPE_ZYX[0])]
    assert [reslicer.slice_index(Plane.AXIAL, p) for p in positions] == list(range(SHAPE_ZYX[0]))


def test_that_bounds_reach_to_the_outer_voxel_edges():
    geometry = VolumeGeometry(SHAPE_ZYX, affine(ORIENTATIONS["feet first supine"]))
    low, high = bounds_lps_mm(geometry)
    np.testing.assert_allclose(high - low, np.array(SPACING_ZYX)[::-1] * SHAPE_ZYX[::-1])


def test_that_interpolation_gives_no_value_where_a_neighbour_has_none():
    values = np.arange(27, dtype=np.float32).reshape(3, 3, 3)
    values[2, 2, 2] = np.nan
    geometry = VolumeGeometry((3, 3, 3), np.diag([1.0, 1, 1, 1])[[2, 1, 0, 3]])
    source = ArraySource(values, geometry)
    at = sample_linear(source, [[1.5, 1.5, 1.5], [1, 1, 1], [0.5, 1, 1], [5, 0, 0]])
    assert np.isnan(at[0])
    assert np.isnan(at[3])
    np.testing.assert_allclose(at[1:3], [13, 12.5])


def test_that_the_value_under_a_position_is_that_of_the_nearest_voxel():
    values = np.arange(27, dtype=np.float32).reshape(3, 3, 3)
    values[0, 0, 0] = np.nan
    geometry = VolumeGeometry((3, 3, 3), np.diag([1.0, 1, 1, 1])[[2, 1, 0, 3]])
    source = ArraySource(values, geometry)
    assert value_at(source, [2.3, 0.6, 0]) == 5
    assert value_at(source, [9, 0, 0]) is None
    assert np.isnan(value_at(source, [0, 0, 0]))


def test_that_values_in_memory_are_quick_and_a_large_file_is_not(tmp_path, monkeypatch):
    grid = VolumeGeometry((2, 3, 4), np.eye(4))
    assert not ArraySource(np.zeros((2, 3, 4), np.float32), grid).is_slow
    mapped = np.memmap(tmp_path / "map", np.float32, "w+", shape=(2, 3, 4))
    assert not ArraySource(mapped, grid).is_slow
    monkeypatch.setattr(reslice, "LARGE_FILE_BYTES", 50)
    assert ArraySource(mapped, grid).is_slow


def test_that_a_source_is_quick_unless_it_says_otherwise():
    class Nothing(VoxelSource):
        geometry = VolumeGeometry((1, 1, 1), np.eye(4))

        def plane(self, axis, index):
            raise NotImplementedError

        def voxels_at(self, index_zyx):
            raise NotImplementedError

    assert not Nothing().is_slow
