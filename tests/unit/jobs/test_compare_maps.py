"""Agreement over the body and regions, on one grid."""

from dataclasses import replace

import numpy as np
import pytest
from tests.helpers import small_study

from kiview.core.agreement import body_mask
from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage, ParametricMap, Slab
from kiview.core.progress import NullProgress
from kiview.core.provenance import Provenance
from kiview.core.roi import Roi, RoiMask
from kiview.core.roi_shapes import Sphere
from kiview.core.units import KI
from kiview.jobs.compare_maps import SHOWN_VOXELS, ComparisonRequest, compare_maps


@pytest.fixture(scope="module")
def image():
    return small_study.image()


def map_of(values, geometry):
    return ParametricMap(values.astype(np.float32), KI, geometry, Provenance("test", "test"))


def ramp(geometry, factor=1.0, offset=0.0):
    """Ki that rises along x in the patient, so that grids can be compared."""
    index = np.stack(np.meshgrid(*map(np.arange, geometry.shape_zyx), indexing="ij"), axis=-1)
    x = geometry.to_lps_mm(index)[..., 0]
    return map_of(factor * (0.02 + x * 1e-4) + offset, geometry)


def lesion(image):
    ball = Sphere(small_study.lesion_mm(), 12.0)
    return Roi("r", "Lesion", "#ffffff", ball).rasterise(image.geometry)


def test_that_a_known_bias_is_found_in_body_and_region(image):
    first = ramp(image.geometry)
    second = ramp(image.geometry, offset=0.002)
    done = compare_maps(ComparisonRequest(image, first, second, (lesion(image),)), NullProgress())
    assert [row.name for row in done.rows] == ["Body", "Lesion"]
    for row in done.rows:
        assert row.bias == pytest.approx(0.002, rel=1e-4)
        assert row.correlation == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(done.difference, 0.002, rtol=1e-4)
    assert 0 < len(done.mean) <= 2 * SHOWN_VOXELS


def test_that_a_map_on_another_grid_is_compared_at_the_same_places(image):
    affine = image.geometry.affine_lps_mm.copy()
    affine[:3, :3] *= 4.0 / 5.0
    finer = VolumeGeometry((50, 30, 40), affine)
    request = ComparisonRequest(image, ramp(image.geometry), ramp(finer))
    done = compare_maps(request, NullProgress())
    assert done.rows[0].bias == pytest.approx(0.0, abs=1e-7)
    backwards = ComparisonRequest(image, ramp(finer), ramp(image.geometry), (lesion(image),))
    done = compare_maps(backwards, NullProgress())
    assert [row.name for row in done.rows] == ["Body", "Lesion"]
    assert done.rows[1].bias == pytest.approx(0.0, abs=1e-7)


def test_that_a_region_without_values_is_told_and_the_others_compared(image):
    first = ramp(image.geometry)
    values = np.array(first.values)
    mask = lesion(image)
    values[mask.inside] = np.nan
    holed = replace(first, values=values)
    whole = RoiMask(~mask.inside, image.geometry, "Rest")
    request = ComparisonRequest(image, first, holed, (mask, whole))
    done = compare_maps(request, NullProgress())
    assert [row.name for row in done.rows] == ["Body", "Rest"]
    assert "Lesion" in done.findings[0]


def test_that_the_body_does_not_depend_on_the_slabs_it_is_read_in(monkeypatch):
    image = small_study.image()
    whole = body_mask(image)
    depth = image.geometry.shape_zyx[0]
    thin = [Slab(z, min(z + 7, depth), 0.0) for z in range(0, depth, 7)]
    monkeypatch.setattr(DynamicImage, "slabs", lambda *_: iter(thin))
    np.testing.assert_array_equal(body_mask(image), whole)
    assert 0.2 < whole.mean() < 0.8  # the ellipse of the phantom


def test_that_a_comparison_on_the_disk_equals_one_in_memory(monkeypatch):
    image, (z, y, x) = small_study.image(), small_study.SHAPE_ZYX
    coarse = image.geometry.affine_lps_mm.copy()
    coarse[:, :3] *= 2
    values = np.random.default_rng(0).random((z // 2, y // 2, x // 2), np.float32)
    first = ramp(image.geometry)
    second = map_of(values, VolumeGeometry(values.shape, coarse))
    request = ComparisonRequest(image, first, second)
    in_memory = compare_maps(request, NullProgress())
    monkeypatch.setattr("kiview.io.scratch.LARGE_BYTES", 0)
    assert compare_maps(request, NullProgress()).rows == in_memory.rows
