"""What KiView exported opens again: same values, same place, same quantity."""

from pathlib import Path

import numpy as np
import pytest
from tests.helpers.phantoms import feet_first_affine
from tests.helpers.results import header, ki_map, oblique_geometry, slice_tolerance

from kiview.core.progress import NullProgress
from kiview.core.study import Series, SeriesKind, Verdict
from kiview.core.units import KI, KI_STANDARD_ERROR, V0, Quantity
from kiview.io.dicom_map import write_parametric_map
from kiview.io.dicom_pet_map import write_pet_map
from kiview.io.nifti_writer import write_nifti_map
from kiview.jobs.open_study import OpenRequest, open_study

QUANTITIES = [KI, V0, KI_STANDARD_ERROR]


def reopened(path: Path) -> Series:
    series = open_study(OpenRequest(path)).series
    assert len(series) == 1
    return series[0]


def check(series: Series, quantity: Quantity) -> None:
    assert series.kind is SeriesKind.MAP
    assert series.image is not None
    assert series.image.quantity == quantity
    assert series.suv_verdict is Verdict.REFUSED
    assert series.image.geometry.matches(oblique_geometry(), tolerance_mm=1e-3)


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda quantity: quantity.code)
def test_that_an_exported_pet_map_opens_again(quantity: Quantity, tmp_path: Path) -> None:
    written = ki_map(quantity=quantity)
    write_pet_map(tmp_path, written, header(), 9001, NullProgress())
    series = reopened(tmp_path)
    check(series, quantity)
    assert series.image is not None
    values = np.nan_to_num(written.values)
    difference = np.abs(series.image.store.frame(0) - values)
    assert (difference <= slice_tolerance(written.values) + 1e-9).all()


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda quantity: quantity.code)
def test_that_an_exported_parametric_map_opens_again(quantity: Quantity, tmp_path: Path) -> None:
    written = ki_map(quantity=quantity)
    path = tmp_path / "patlak_pm.dcm"
    write_parametric_map(path, written, header(), 9002)
    series = reopened(path)
    check(series, quantity)
    assert series.image is not None
    np.testing.assert_array_equal(series.image.store.frame(0), written.values)


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda quantity: quantity.code)
def test_that_an_exported_nifti_map_opens_again(quantity: Quantity, tmp_path: Path) -> None:
    written = ki_map(quantity=quantity)
    write_nifti_map(tmp_path, "patlak_map", written, (), NullProgress())
    series = reopened(tmp_path / "patlak_map.nii.gz")
    check(series, quantity)
    assert series.image is not None
    np.testing.assert_array_equal(series.image.store.frame(0), written.values)
    assert series.image.description.startswith(quantity.code)


def test_that_a_feet_first_map_comes_back_to_its_place(tmp_path: Path) -> None:
    geometry = oblique_geometry()
    turned = type(geometry)(geometry.shape_zyx, feet_first_affine())
    path = tmp_path / "map.dcm"
    write_parametric_map(path, ki_map(geometry=turned), header(), 1)
    image = reopened(path).image
    assert image is not None
    assert image.geometry.matches(turned, tolerance_mm=1e-3)


def test_that_a_cut_parametric_map_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "map.dcm"
    write_parametric_map(path, ki_map(), header(), 1)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(Exception, match="cut off"):
        reopened(path)
