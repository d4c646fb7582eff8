"""Regions: voxels by their centres, interpolation between slices, and the file format."""

import json

import numpy as np
import pytest

from kiview.core import roi as roi_files
from kiview.core.errors import GeometryMismatchError, InvalidInputError
from kiview.core.geometry import VolumeGeometry
from kiview.core.reslice import Plane
from kiview.core.roi import Roi, RoiMask
from kiview.core.roi_outline import outline
from kiview.core.roi_shapes import Contour, Cylinder, PolygonStack, Sphere


def cube(spacing_mm=2.0, half_mm=60.0):
    """Isotropic grid about the origin, with left, posterior and head along x, y, z."""
    count = round(2 * half_mm / spacing_mm)
    affine = np.zeros((4, 4))
    affine[[2, 1, 0], [0, 1, 2]] = spacing_mm
    affine[:3, 3] = -half_mm + spacing_mm / 2
    affine[3, 3] = 1
    return VolumeGeometry((count, count, count), affine)


def region(shape, name="Aorta"):
    return Roi("region-1", name, "#ff0000", shape)


def square(position, side, centre=(0.0, 0.0)):
    u, v = centre
    half = side / 2
    corners = (
        (u - half, v - half),
        (u + half, v - half),
        (u + half, v + half),
        (u - half, v + half),
    )
    return Contour(position, corners)


def test_that_a_sphere_holds_the_voxels_whose_centre_is_inside():
    geometry = cube()
    mask = region(Sphere((3, -5, 7), 14)).rasterise(geometry)
    centres = geometry.to_lps_mm(np.argwhere(mask.inside))
    every = geometry.to_lps_mm(np.stack(np.indices(geometry.shape_zyx), -1))
    inside = np.linalg.norm(every - [3, -5, 7], axis=-1) <= 14
    assert np.linalg.norm(centres - [3, -5, 7], axis=-1).max() <= 14
    assert mask.voxel_count == inside.sum()
    assert mask.volume_ml == pytest.approx(4 / 3 * np.pi * 1.4**3, rel=0.02)


@pytest.mark.parametrize("end", [(0, 0, 40), (40, 0, 0), (24, 18, 30)])
def test_that_a_cylinder_has_flat_ends_and_its_volume(end):
    tube = Cylinder(((0, 0, 0), end), 9)
    mask = region(tube).rasterise(cube(1.5))
    length = np.linalg.norm(end)
    assert mask.volume_ml == pytest.approx(np.pi * 0.9**2 * length / 10, rel=0.03)
    direction = np.array(end) / length
    beyond = [-1.0 * direction, (length + 1) * direction]
    assert (tube.signed_distance_mm(beyond) < 0).all()
    assert (tube.signed_distance_mm([0.1 * direction, (length - 0.1) * direction]) > 0).all()


def test_that_a_bent_vessel_keeps_both_legs():
    arch = Cylinder(((-20, 0, 0), (-20, 0, 40), (20, 0, 40), (20, 0, 0)), 6)
    for inside in [(-20, 0, 1), (20, 0, 1), (0, 0, 40), (-20, 0, 44)]:
        assert arch.signed_distance_mm(inside) > 0
    for outside in [(0, 0, 20), (-20, 0, -1), (20, 0, -1), (-20, 7, 20)]:
        assert arch.signed_distance_mm(outside) < 0
    assert arch.axis_distance_mm((-20, 4, 20)) == pytest.approx(4)


def test_that_polygons_are_interpolated_linearly_between_drawn_slices():
    stack = PolygonStack(Plane.AXIAL, (square(20, 40), square(0, 20)), 2.0)
    for w, half in [(0, 10), (5, 12.5), (10, 15), (15, 17.5), (20, 20)]:
        assert stack.signed_distance_mm((half - 0.2, 0, w)) > 0
        assert stack.signed_distance_mm((half + 0.2, 0, w)) < 0
    assert stack.signed_distance_mm((0, 0, -0.9)) > 0
    assert stack.signed_distance_mm((0, 0, -1.1)) < 0
    assert stack.signed_distance_mm((0, 0, 21.1)) < 0


def test_that_polygons_that_do_not_overlap_are_joined_by_a_straight_vessel():
    stack = PolygonStack(Plane.AXIAL, (square(0, 10), square(40, 10, centre=(40, 0))), 2.0)
    for w in (0, 10, 20, 30, 40):
        assert stack.signed_distance_mm((w, 0, w)) == pytest.approx(min(5, 41 - w, w + 1), abs=1e-9)
        assert stack.signed_distance_mm((w + 5.2, 0, w)) < 0
    volume = region(stack).rasterise(cube(1.0)).volume_ml
    assert volume == pytest.approx(1.0 * 1.0 * 4.2, rel=0.12)


@pytest.mark.parametrize("plane", list(Plane))
def test_that_a_polygon_lies_on_the_plane_it_was_drawn_on(plane):
    stack = PolygonStack(plane, (square(10, 20, centre=(6, -8)),), 4.0)
    mask = region(stack).rasterise(cube())
    centres = cube().to_lps_mm(np.argwhere(mask.inside))
    screen = plane.to_screen_mm(centres)
    np.testing.assert_allclose(screen.mean(axis=0), [6, -8, 10], atol=1.01)
    assert np.ptp(screen[:, 2]) <= 4.0
    np.testing.assert_allclose(stack.centre_lps_mm, plane.to_lps_mm([6, -8, 10]))


def test_that_drawing_again_on_a_slice_replaces_its_polygon():
    stack = PolygonStack(Plane.AXIAL, (square(0, 20),), 4.0).with_contour(square(1.0, 30))
    assert [contour.position_mm for contour in stack.contours] == [1.0]
    assert len(stack.with_contour(square(8, 10)).contours) == 2


def test_that_a_concave_polygon_leaves_its_notch_out():
    contour = Contour(0, ((0, 0), (20, 0), (20, 20), (10, 5), (0, 20)))
    distance = contour.signed_distance_mm(np.array([[10.0, 15.0], [10.0, 3.0], [2.0, 10.0]]))
    assert distance[0] < 0
    assert (distance[1:] > 0).all()
    assert contour.signed_distance_mm(np.array([10.0, 2.0])) == pytest.approx(2.0)


SHAPES = [
    Sphere((1, 2, 3), 4.5),
    Cylinder(((0, 0, 0), (0, 0, 30), (10, 0, 50)), 8.0),
    PolygonStack(Plane.SAGITTAL, (square(0, 10), square(12, 20)), 3.0),
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: type(shape).__name__)
def test_that_moving_a_shape_moves_every_place_of_it(shape):
    shift = np.array([5.0, -3.0, 8.0])
    places = np.random.default_rng(2).uniform(-20, 40, (200, 3))
    np.testing.assert_allclose(
        shape.moved(shift).signed_distance_mm(places + shift),
        shape.signed_distance_mm(places),
        atol=1e-9,
    )
    np.testing.assert_allclose(shape.moved(shift).centre_lps_mm, shape.centre_lps_mm + shift)
    low, high = shape.bounds_lps_mm()
    inside = places[shape.signed_distance_mm(places) >= 0]
    assert ((inside >= low) & (inside <= high)).all()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: type(shape).__name__)
def test_that_regions_survive_the_file(shape):
    rois = (Roi("region-7", "Aorta \N{GREEK SMALL LETTER ALPHA}", "#12ab34", shape, 3),)
    text = json.dumps(roi_files.to_dict(rois))
    assert json.loads(text)["schema_version"] == 1
    assert roi_files.from_dict(json.loads(text)) == rois


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"schema_version": 2, "regions": []},
        {"schema_version": 1},
        {"schema_version": 1, "regions": [{}]},
        {"schema_version": 1, "regions": ["aorta"]},
        {"schema_version": 1, "regions": [{"shape": {"type": "banana"}}]},
        {"schema_version": 1, "regions": [{"shape": {"type": "sphere", "centre_lps_mm": [1, 2]}}]},
        {
            "schema_version": 1,
            "regions": [
                {"shape": {"type": "sphere", "centre_lps_mm": [1, 2, float("nan")], "radius_mm": 1}}
            ],
        },
        {
            "schema_version": 1,
            "regions": [
                {"shape": {"type": "cylinder", "points_lps_mm": [[0, 0, 0]], "radius_mm": 1}}
            ],
        },
    ],
)
def test_that_a_damaged_region_file_is_refused_with_a_sentence(document):
    with pytest.raises(InvalidInputError, match=r"\.$"):
        roi_files.from_dict(document)


SPHERE = {"type": "sphere", "centre_lps_mm": [0, 0, 0], "radius_mm": 1}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"revision": float("inf")}, "cannot convert float infinity"),
        ({"shape": SPHERE | {"radius_mm": 10**400}}, "too large"),
        ({"shape": SPHERE | {"radius_mm": 2e6}}, "2e\\+06 mm"),
        ({"shape": SPHERE | {"radius_mm": float("nan")}}, "nan mm"),
        ({"shape": {"type": "sphere", "centre_lps_mm": [0, 0, 0]}}, "lacks 'radius_mm'"),
        ({"shape": {"type": "x" * 5000}}, "'x{40}'"),
        ({"shape": SPHERE | {"radius_mm": "y" * 5000}}, "damaged: .*'y+"),
    ],
)
def test_that_what_is_wrong_with_a_region_is_told_in_one_short_line(change, told):
    entry = {"shape": SPHERE}
    assert roi_files.from_dict({"schema_version": 1, "regions": [entry]})
    with pytest.raises(InvalidInputError, match=told) as caught:
        roi_files.from_dict({"schema_version": 1, "regions": [entry | change]})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_that_the_name_of_a_region_of_a_file_stays_in_its_line():
    entry = {"name": "Ao\nrta\x1b[31m" + "x" * 500, "shape": SPHERE}
    (region,) = roi_files.from_dict({"schema_version": 1, "regions": [entry]})
    assert region.name.startswith("Ao rta [31mxx")
    assert len(region.name) == 80


@pytest.mark.parametrize(
    "make",
    [
        lambda: Sphere((0, 0, 0), 0),
        lambda: Sphere((0, 0), 1),
        lambda: Cylinder(((0, 0, 0), (0, 0, 0)), 1),
        lambda: Cylinder(((0, 0, 0),), 1),
        lambda: Contour(0, ((0, 0), (1, 1), (2, 2))),
        lambda: PolygonStack(Plane.AXIAL, (), 1),
        lambda: PolygonStack(Plane.AXIAL, (square(0, 1), square(0, 2)), 1),
    ],
)
def test_that_impossible_shapes_are_refused(make):
    with pytest.raises(InvalidInputError):
        make()


def test_that_a_region_outside_the_grid_is_refused_with_a_sentence():
    with pytest.raises(InvalidInputError, match="no voxel centre"):
        region(Sphere((500, 0, 0), 10)).rasterise(cube())


def test_that_a_mask_of_another_grid_is_refused():
    with pytest.raises(GeometryMismatchError):
        RoiMask(np.ones((2, 2, 2), np.bool_), cube())


def test_that_single_planes_of_a_region_equal_the_whole_mask():
    geometry = cube(4.0)
    roi = region(Cylinder(((0, 0, -90), (20, 10, 30)), 12))
    mask, voxels = roi.rasterise(geometry), roi.voxels(geometry)
    for axis in range(3):
        for index in range(geometry.shape_zyx[axis]):
            plane = voxels.plane(axis, index)
            expected = mask.inside.take(index, axis=axis)
            assert (plane is None) == (not expected.any())
            assert plane is None or np.array_equal(plane, expected)


@pytest.mark.parametrize("plane", list(Plane))
def test_that_the_outline_of_a_sphere_is_a_circle(plane):
    sphere = Sphere((4, -6, 9), 20)
    u, v, w = plane.to_screen_mm(sphere.centre)
    segments = outline(sphere, plane, w + 12)
    radius = np.hypot(segments[..., 0] - u, segments[..., 1] - v)
    np.testing.assert_allclose(radius, 16.0, atol=0.05)
    length = np.linalg.norm(segments[:, 0] - segments[:, 1], axis=1).sum()
    assert length == pytest.approx(2 * np.pi * 16, rel=0.01)
    assert not len(outline(sphere, plane, w + 20.5))


def test_that_a_plane_beyond_the_flat_end_of_a_vessel_shows_no_outline():
    tube = Cylinder(((0, 0, 0), (0, 0, 30)), 8)
    assert len(outline(tube, Plane.AXIAL, 29.0))
    assert not len(outline(tube, Plane.AXIAL, 33.0))


def test_that_the_outline_on_a_drawn_slice_is_the_polygon_itself():
    stack = PolygonStack(Plane.AXIAL, (square(0, 10), square(20, 10)), 2.0)
    assert len(outline(stack, Plane.AXIAL, 0.0)) == 4
    between = outline(stack, Plane.AXIAL, 9.0)
    np.testing.assert_allclose(np.abs(between).max(axis=(0, 1)), [5, 5], atol=0.05)
    on_other_plane = outline(stack, Plane.CORONAL, 0.0)
    assert not len(outline(stack, Plane.SAGITTAL, 5.5))
    np.testing.assert_allclose(np.ptp(on_other_plane, axis=(0, 1)), [10, 22], atol=0.2)
