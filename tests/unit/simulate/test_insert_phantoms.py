"""Test objects: volumes, ends and uptake against closed forms."""

import numpy as np
import pytest

from kiview.core.errors import InvalidInputError
from kiview.simulate.insert_phantoms import (
    NEMA_SPHERES_MM,
    ROD_DIAMETERS_MM,
    draw_test_object,
    insert_phantom,
    nema_phantom,
    uniform_phantom,
)
from kiview.simulate.phantom import lesion_index
from kiview.simulate.shapes import Grid
from kiview.simulate.tissues import STANDARD, Label, Tissue

GRID = Grid.centred(150, 160, (2.0, 2.0), 0.0)


def ml(mask, grid=GRID):
    return mask.sum() * np.prod(grid.spacing_zyx_mm) / 1000


@pytest.mark.parametrize(("ends", "end_share"), [("flat", 1.0), ("domed", 2 / 3)])
def test_that_a_cylinder_has_its_volume_with_flat_and_with_domed_ends(ends, end_share):
    labels = uniform_phantom(None, 80.0, 200.0, ends).draw_labels(GRID)
    straight = 200.0 if ends == "flat" else 120.0
    expected = np.pi * 80**2 * (straight + (200 - straight) * end_share) / 1000
    assert ml(labels > 0) == pytest.approx(expected, rel=0.01)
    planes = (labels > 0).any(axis=(1, 2))
    assert planes.sum() == 100
    assert not labels[[0, -1]].any()


def test_that_a_uniform_phantom_has_one_ki_everywhere():
    tissue = Tissue(0.2, 0.4, 0.05, 0.03)
    phantom = uniform_phantom(tissue)
    drawing = phantom.draw(GRID)
    ki = phantom.truth(drawing, "ki")[drawing.labels > 0]
    np.testing.assert_allclose(ki, tissue.ki, rtol=1e-6)


def test_that_nema_spheres_have_their_volumes_in_one_plane():
    phantom = nema_phantom()
    fine = Grid.centred(60, 180, (1.0, 1.0), 20.0)
    index = lesion_index(phantom.draw_labels(fine))
    for i, diameter in enumerate(NEMA_SPHERES_MM):
        where = np.nonzero(index == i + 1)
        volume = len(where[0]) / 1000
        assert volume == pytest.approx(np.pi / 6 * diameter**3 / 1000, rel=0.05)
        assert fine.axis_mm(0)[where[0]].mean() == pytest.approx(20, abs=0.5)
    assert [x.kind for x in phantom.lesions] == ["warm"] * 4 + ["cold"] * 2
    contrast = phantom.lesions[0].ki / STANDARD[Label.BACKGROUND].ki
    assert contrast == pytest.approx(0.01676 / 0.00937, rel=0.01)


def test_that_rods_and_the_vessel_have_their_diameters_and_lengths():
    phantom = insert_phantom()
    slice_ = Grid.centred(1, 800, (1.0, 0.25), 0.0)
    labels = phantom.draw_labels(slice_)
    index = lesion_index(labels)
    diameters = [*ROD_DIAMETERS_MM, *ROD_DIAMETERS_MM[:-1]]
    assert [x.diameter_mm for x in phantom.lesions] == diameters
    for i, diameter in enumerate(diameters):
        area_mm2 = (index == i + 1).sum() * 0.25**2
        assert area_mm2 == pytest.approx(np.pi / 4 * diameter**2, rel=0.03)
    assert (labels == Label.BLOOD).sum() * 0.25**2 == pytest.approx(np.pi * 12**2, rel=0.01)
    tall = Grid.centred(240, 100, (1.0, 2.0), 0.0)
    column = phantom.draw_labels(tall)
    rods = (lesion_index(column) > 0).any(axis=(1, 2)).sum()
    vessel = (column == Label.BLOOD).any(axis=(1, 2)).sum()
    assert (rods, vessel) == (154, 216)


def test_that_the_vessel_is_plasma_and_hot_rods_are_hotter_than_cold_ones():
    phantom = insert_phantom()
    assert phantom.tissues[Label.BLOOD].first.v0 == 1
    hot = [x.ki for x in phantom.lesions if x.kind == "hot"]
    cold = [x.ki for x in phantom.lesions if x.kind == "cold"]
    assert min(hot) > 20 * max(cold)


@pytest.mark.parametrize("kind", ["uniform", "nema", "insert"])
def test_that_random_test_objects_end_within_the_volume_and_differ(kind):
    long = Grid.centred(90, 90, (4.0, 4.0), 0.0)
    drawn = [draw_test_object(np.random.default_rng(s), kind) for s in range(4)]
    assert all(p.kind == kind for p in drawn)
    for phantom in drawn:
        labels = phantom.draw_labels(long)
        assert (labels > 0).any()
        assert not labels[[0, -1]].any()
    assert len({p.tissues[Label.BACKGROUND].first.k1 for p in drawn}) == 4


def test_that_impossible_sizes_are_refused():
    with pytest.raises(InvalidInputError, match="longer than the domes"):
        uniform_phantom(None, 100.0, 80.0, "domed")
    with pytest.raises(InvalidInputError, match="80 mm radius"):
        insert_phantom(radius_mm=60.0)
