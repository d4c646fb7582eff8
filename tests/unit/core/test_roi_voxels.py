"""Voxel sets: looked up on other grids by the nearest voxel, drawn by their edges, kept as bits."""

import base64
import json
import zlib

import numpy as np
import pytest
from scipy import ndimage
from tests.helpers.phantoms import axial_affine
from tests.helpers.results import oblique_geometry

from kiview.core import roi as roi_files
from kiview.core.errors import GeometryMismatchError, InvalidInputError
from kiview.core.geometry import VolumeGeometry
from kiview.core.reslice import Plane
from kiview.core.roi import Roi
from kiview.core.roi_outline import outline
from kiview.core.roi_voxels import VoxelSet

GRID = VolumeGeometry((6, 8, 10), axial_affine((4.0, 3.0, 2.0)))


def block(geometry=GRID, where=np.s_[1:4, 2:6, 3:8]):
    inside = np.zeros(geometry.shape_zyx, bool)
    inside[where] = True
    return inside


def region(shape, origin=""):
    return Roi("r", "Liver", "#112233", shape, origin=origin)


def test_that_voxels_come_back_on_their_own_grid():
    for grid in (GRID, oblique_geometry((6, 8, 10))):
        inside = block(grid)
        shape = VoxelSet.cropped(inside, grid)
        assert shape.inside.shape == (3, 4, 5)
        np.testing.assert_array_equal(region(shape).rasterise(grid).inside, inside)
        assert shape.volume_ml == pytest.approx(inside.sum() * grid.voxel_volume_ml)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("angle", [0.0, 0.3])
def test_that_another_grid_takes_the_nearest_voxel(axis, angle):
    """The referee is scipy's resampling of order 0."""
    random = np.random.default_rng(3).random(GRID.shape_zyx) > 0.5
    affine = axial_affine((2.3, 1.7, 1.1))
    turned = np.eye(3)
    i, j = (k for k in range(3) if k != axis)
    turned[i, i] = turned[j, j] = np.cos(angle)
    turned[i, j], turned[j, i] = -np.sin(angle), np.sin(angle)
    affine[:3, :3] = turned @ affine[:3, :3]
    affine[:3, 3] += 0.123
    other = VolumeGeometry((9, 14, 18), affine)
    to_grid = np.linalg.inv(GRID.affine_lps_mm) @ affine
    expected = ndimage.affine_transform(
        random.astype(np.uint8),
        to_grid[:3, :3],
        to_grid[:3, 3],
        output_shape=other.shape_zyx,
        order=0,
        mode="grid-constant",
    )
    assert 100 < expected.sum() < expected.size - 100
    found = region(VoxelSet.cropped(random, GRID)).rasterise(other)
    np.testing.assert_array_equal(found.inside, expected > 0)


def test_that_a_place_halfway_between_two_voxels_is_that_of_the_lower_one():
    fine = VolumeGeometry((1, 1, 4), axial_affine((1.0, 1.0, 1.0)))
    inside = np.array([[[False, True, False, True]]])
    affine = axial_affine((1.0, 1.0, 2.0))
    affine[0, 3] += 0.5
    coarse = VolumeGeometry((1, 1, 2), affine)
    shape = VoxelSet(inside, fine)
    with pytest.raises(InvalidInputError, match="holds no voxel centre"):
        region(shape).rasterise(coarse)
    assert region(VoxelSet(~inside, fine)).rasterise(coarse).inside.all()


def test_that_the_distance_has_the_right_sign_and_grows_outside():
    shape = VoxelSet.cropped(block(), GRID)
    inside, outside = GRID.to_lps_mm([2, 3, 5]), GRID.to_lps_mm([2, 3, 0])
    near, far = outside - [1.0, 0, 0], outside - [50.0, 0, 0]
    assert shape.signed_distance_mm(inside) > 0 > shape.signed_distance_mm(outside)
    assert shape.signed_distance_mm(near) - shape.signed_distance_mm(far) == pytest.approx(49.0)


def test_that_edges_of_a_block_are_its_rectangle_on_every_plane():
    """3 x 4 x 5 voxels of 4 x 3 x 2 mm: 12 mm high, 12 mm deep, 10 mm wide."""
    shape = VoxelSet.cropped(block(), GRID)
    z, y, x = shape.centre_lps_mm[::-1]
    for plane, position, size in (
        (Plane.AXIAL, z, (10.0, 12.0)),
        (Plane.CORONAL, y, (10.0, 12.0)),
        (Plane.SAGITTAL, x, (12.0, 12.0)),
    ):
        lines = outline(shape, plane, float(position))
        low, high = lines.min(axis=(0, 1)), lines.max(axis=(0, 1))
        np.testing.assert_allclose(high - low, size)
        length = np.linalg.norm(lines[:, 1] - lines[:, 0], axis=-1).sum()
        assert length == pytest.approx(2 * sum(size))
    low, high = shape.bounds_lps_mm()
    lines = outline(shape, Plane.AXIAL, float(z))
    np.testing.assert_allclose(lines.min(axis=(0, 1)), low[:2])
    assert len(outline(shape, Plane.AXIAL, float(z) + 100)) == 0


def test_that_an_oblique_set_is_outlined_between_its_voxels():
    grid = oblique_geometry((12, 14, 16))
    inside = np.zeros(grid.shape_zyx, bool)
    inside[3:9, 3:11, 3:13] = True
    shape = VoxelSet.cropped(inside, grid)
    assert shape.edges(Plane.AXIAL, 0.0) is None
    lines = outline(shape, Plane.AXIAL, float(shape.centre_lps_mm[2]))
    assert len(lines) > 10


def test_that_a_moved_set_holds_the_same_voxels_elsewhere():
    shape = VoxelSet.cropped(block(), GRID).moved([2.0, 3.0, 4.0])  # one voxel along each axis
    moved = region(shape).rasterise(GRID).inside
    np.testing.assert_array_equal(moved, block(where=np.s_[2:5, 3:7, 4:9]))


@pytest.mark.parametrize("seed", range(20))
def test_that_the_centre_is_the_voxel_nearest_to_the_mean_of_all(seed):
    inside = np.random.default_rng(seed).random(GRID.shape_zyx) > 0.98
    shape = VoxelSet(inside, GRID)
    index = np.argwhere(inside)
    apart = np.linalg.norm((index - index.mean(axis=0)) * GRID.spacing_zyx_mm, axis=1)
    found = GRID.to_index(shape.centre_lps_mm)
    own = np.linalg.norm((found - index.mean(axis=0)) * GRID.spacing_zyx_mm)
    assert inside[GRID.nearest_index(shape.centre_lps_mm)]
    assert own == pytest.approx(apart.min(), abs=1e-9)


@pytest.mark.parametrize("shift", [(0, 0, 0), (1, -2, 3), (-1, 0, 400)])
def test_that_voxels_of_a_shifted_grid_are_those_looked_up_one_by_one(shift):
    inside = np.random.default_rng(3).random(GRID.shape_zyx) > 0.5
    shape = VoxelSet(inside, GRID)
    affine = GRID.affine_lps_mm.copy()
    affine[:3, 3] = GRID.to_lps_mm(np.array(shift))
    other = VolumeGeometry(GRID.shape_zyx, affine)
    whole = tuple(slice(0, n) for n in GRID.shape_zyx)
    place = np.stack(np.meshgrid(*map(np.arange, GRID.shape_zyx), indexing="ij"), axis=-1)
    expected = shape.signed_distance_mm(other.to_lps_mm(place)) > 0
    np.testing.assert_array_equal(shape.sampled(whole, other), expected)


def test_that_the_centre_is_a_voxel_of_the_region():
    ring = block(where=np.s_[2:3, 1:8, 1:9])
    ring[2, 2:7, 2:8] = False
    centre = VoxelSet.cropped(ring, GRID).centre_lps_mm
    assert ring[GRID.nearest_index(centre)]


def test_that_bits_and_origin_survive_the_file():
    random = np.random.default_rng(5).random((5, 7, 9)) > 0.4
    grid = VolumeGeometry((5, 7, 9), axial_affine(), "1.2.3")
    roi = region(VoxelSet(random, grid), "Segmentation 1.2, structure 3, binary")
    text = json.dumps(roi_files.to_dict((roi,)))
    (back,) = roi_files.from_dict(json.loads(text))
    np.testing.assert_array_equal(back.shape.inside, random)
    assert back.shape.geometry == grid
    assert back.origin == roi.origin


def test_that_a_drawn_region_has_no_origin_in_the_file():
    entry = region(VoxelSet(np.ones((1, 1, 1), bool), VolumeGeometry((1, 1, 1), np.eye(4))))
    assert "origin" not in entry.to_dict()


def packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"bits": "???"}, "damaged"),
        ({"bits": base64.b64encode(b"no zlib").decode()}, "damaged"),
        ({"bits": packed(bytes(3))}, "do not fit"),
        ({"bits": packed(bytes(1 << 24))}, "do not fit"),
        ({"bits": packed(bytes(60))}, "without a voxel"),
        ({"shape_zyx": [10**6, 10**6, 10**6]}, "cannot be read"),
        ({"shape_zyx": [0, 8, 10]}, "cannot be read"),
        ({"shape_zyx": [6, 8]}, "is damaged"),
        ({"affine_lps_mm": [[np.nan] * 4] * 4}, "not defined"),
        ({"affine_lps_mm": "x"}, "is damaged"),
    ],
)
def test_that_damaged_voxels_are_refused_in_one_sentence(change, told):
    entry = region(VoxelSet(np.ones(GRID.shape_zyx, bool), GRID)).to_dict()
    entry["shape"] |= change
    with pytest.raises(InvalidInputError, match=told):
        roi_files.from_dict({"schema_version": 1, "regions": [entry]})


def test_that_a_set_must_fit_its_grid_and_hold_a_voxel():
    with pytest.raises(GeometryMismatchError, match="does not fit"):
        VoxelSet(np.ones((1, 2, 3), bool), GRID)
    with pytest.raises(InvalidInputError, match="without a voxel"):
        VoxelSet(np.zeros(GRID.shape_zyx, bool), GRID)
