"""What a preview computes, for grids of many kinds."""

import numpy as np
import pytest
from tests.helpers.torso import geometry as torso_geometry

from kiview.core.geometry import VolumeGeometry
from kiview.core.reslice import Plane
from kiview.jobs.preview_plan import plan_preview
from kiview.nets.infer import Region
from kiview.nets.tie import reach_voxels

BOTH = (Plane.CORONAL, Plane.SAGITTAL)


def grid(shape, spacing=4.0):
    affine = np.zeros((4, 4))
    affine[0, 2] = affine[1, 1] = affine[2, 0] = spacing
    affine[3, 3] = 1.0
    return VolumeGeometry(shape, affine)


def middle_of(geometry):
    return geometry.to_lps_mm(np.array(geometry.shape_zyx) // 2)


def covered(pieces, shape):
    count = np.zeros(shape, np.int32)
    for p in pieces:
        count[p.z0 : p.z1, p.y0 : p.y1, p.x0 : p.x1] += 1
    return count


def test_that_the_neighbourhood_holds_100_mm_in_every_direction():
    geometry = grid((90, 128, 128))
    for index in ((45, 64, 64), (44, 61, 70), (46, 63, 67)):
        box = plan_preview(
            geometry, geometry.to_lps_mm(index), BOTH, tied=True, halo=24
        ).neighbourhood
        edges = np.array([(box.z0, box.z1), (box.y0, box.y1), (box.x0, box.x1)])
        assert (edges[:, 0] <= np.array(index) - 12).all()
        assert (edges[:, 1] >= np.array(index) + 13).all()
        assert ((edges[:, 1] - edges[:, 0]) * 4.0 <= 112).all()


def test_that_one_plane_of_a_wide_volume_takes_a_strip_and_two_the_whole():
    geometry = grid((200, 128, 128))
    at = middle_of(geometry)
    (strip,) = plan_preview(geometry, at, (Plane.CORONAL,), tied=False, halo=24).planes
    assert strip.box == Region(0, 200, 63, 66, 0, 128)
    (whole,) = plan_preview(geometry, at, BOTH, tied=True, halo=24).planes
    assert whole.box == whole.shown == Region(0, 200, 0, 128, 0, 128)


def test_that_a_tied_strip_is_as_much_wider_as_the_tie_looks():
    geometry = grid((90, 300, 300))
    (strip,) = plan_preview(
        geometry, middle_of(geometry), (Plane.SAGITTAL,), tied=True, halo=24
    ).planes
    assert strip.shown.x0 - strip.box.x0 >= reach_voxels((4.0,) * 3)
    assert strip.box.x1 - strip.shown.x1 >= reach_voxels((4.0,) * 3)
    assert strip.box.x0 % 2 == strip.box.x1 % 2 == 0


@pytest.mark.parametrize("planes", [BOTH, (Plane.AXIAL,), (Plane.CORONAL,), tuple(Plane)])
@pytest.mark.parametrize("tied", [True, False])
def test_that_pieces_cover_each_box_once_and_the_nearest_comes_first(planes, tied):
    geometry = grid((301, 200, 220))
    index = np.array([40, 150, 30])
    plan = plan_preview(geometry, geometry.to_lps_mm(index), planes, tied=tied, halo=24)
    for part in plan.planes:
        box, count = part.box, covered(part.pieces, geometry.shape_zyx)
        assert (count[box.z0 : box.z1, box.y0 : box.y1, box.x0 : box.x1] == 1).all()
        assert count.sum() == (box.z1 - box.z0) * (box.y1 - box.y0) * (box.x1 - box.x0)
        if len(part.pieces) > 1:
            assert part.pieces[0].z0 <= index[0] < part.pieces[0].z1


def test_that_pieces_lie_at_the_same_slices_wherever_the_cursor_is():
    geometry = grid((300, 128, 128))
    plans = [
        plan_preview(geometry, geometry.to_lps_mm((z, 64, 64)), BOTH, tied=True, halo=24)
        for z in (20, 250)
    ]
    first, second = (set(plan.planes[0].pieces) for plan in plans)
    assert first == second


def test_that_an_oblique_volume_is_computed_whole():
    c, s = np.cos(0.3), np.sin(0.3)
    oblique = torso_geometry(((0, -s, c), (0, c, s), (1, 0, 0)))
    (part,) = plan_preview(
        oblique, middle_of(oblique), (Plane.CORONAL,), tied=False, halo=24
    ).planes
    assert part.box == Region(0, 20, 0, 16, 0, 24)


def test_that_turned_axes_give_the_slices_along_the_planes_normal():
    turned = torso_geometry(((0, 1, 0), (0, 0, 1), (1, 0, 0)), shape=(200, 160, 160))
    (part,) = plan_preview(turned, middle_of(turned), (Plane.CORONAL,), tied=False, halo=24).planes
    assert part.box == Region(99, 102, 0, 160, 0, 160)


def test_that_a_cursor_outside_stays_at_the_edge():
    geometry = grid((90, 128, 128))
    plan = plan_preview(geometry, np.array([1e4, -1e4, 1e4]), BOTH, tied=True, halo=24)
    box = plan.neighbourhood
    assert (box.z1, box.y0, box.x1) == (90, 0, 128)
    assert plan.slice_index == 89
