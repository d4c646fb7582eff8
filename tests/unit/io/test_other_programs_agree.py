"""dcm2niix reads the same dynamic series: same values at the same place, frame by frame."""

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.phantoms import (
    QUANTUM_BQML,
    asymmetric_phantom,
    axial_affine,
    feet_first_affine,
    oblique_affine,
)
from tests.helpers.results import converted_by_dcm2niix, sampled_at

from kiview.jobs.open_study import OpenRequest, open_study

START_S, DURATION_S = [0.0, 30.0, 90.0, 390.0], [30.0, 60.0, 300.0, 300.0]


@pytest.mark.parametrize("vendor", ["siemens", "philips_bqml"])
@pytest.mark.parametrize("geometry", [axial_affine, oblique_affine, feet_first_affine])
def test_that_dcm2niix_finds_the_same_values_at_the_same_place(
    vendor: str, geometry: Callable[[], NDArray[np.float64]], tmp_path: Path
) -> None:
    write_dynamic_series(
        tmp_path / "dicom",
        vendor,
        asymmetric_phantom(),
        geometry(),
        START_S,
        DURATION_S,
        quantum_bqml=QUANTUM_BQML,
    )
    image = open_study(OpenRequest(tmp_path / "dicom")).series[0].image
    assert image is not None
    converted = converted_by_dcm2niix(tmp_path / "dicom", tmp_path / "nifti")
    other = sampled_at(converted, image.geometry)
    assert other.shape == image.store.shape_tzyx
    for t in range(image.frame_count):
        np.testing.assert_allclose(other[t], image.store.frame(t), rtol=1e-5)


def test_that_its_nifti_opens_at_the_same_place_as_the_dicom(tmp_path: Path) -> None:
    write_dynamic_series(
        tmp_path / "dicom", "siemens", asymmetric_phantom(), oblique_affine(), START_S, DURATION_S
    )
    dicom = open_study(OpenRequest(tmp_path / "dicom")).series[0].image
    converted = converted_by_dcm2niix(tmp_path / "dicom", tmp_path / "nifti")
    path = Path(converted.get_filename())
    nifti = open_study(OpenRequest(path)).series[0].image
    assert dicom is not None
    assert nifti is not None
    again = sampled_at(nibabel.load(path), dicom.geometry)
    np.testing.assert_allclose(again[1], dicom.store.frame(1), rtol=1e-4)
    for index in [(0, 0, 0), (4, 1, 2), (3, 7, 10)]:
        place = dicom.geometry.to_lps_mm(index)
        found = nifti.geometry.nearest_index(place)
        assert found is not None
        assert nifti.store.frame(2)[found] == pytest.approx(dicom.store.frame(2)[index], rel=1e-4)
