"""CT, MR and parametric maps: volumes without activity."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from tests.helpers.dicom_factory import write_ct_series
from tests.helpers.phantoms import asymmetric_phantom, axial_affine, oblique_affine
from tests.helpers.results import header, ki_map

from kiview.core.errors import KiviewError
from kiview.core.study import Series, SeriesKind, Verdict
from kiview.core.units import CT_NUMBER, KI, SIGNAL
from kiview.io.dicom_map import write_parametric_map
from kiview.io.dicom_volume import quantity_of
from kiview.jobs.open_study import OpenRequest, open_study

SHAPE = (5, 8, 11)
HOUNSFIELD = np.rint(asymmetric_phantom(SHAPE, 1)[0] / 10) - 1000


def one(path: Path) -> Series:
    series = open_study(OpenRequest(path)).series
    assert len(series) == 1
    return series[0]


def refusal(path: Path) -> str:
    with pytest.raises(KiviewError) as caught:
        open_study(OpenRequest(path))
    return str(caught.value)


def change_all(paths: list[Path], **values: Any) -> None:
    for path in paths:
        ds = pydicom.dcmread(path)
        for keyword, value in values.items():
            setattr(ds, keyword, value)
        ds.save_as(path)


def test_that_ct_is_in_hounsfield_units_at_its_place(tmp_path: Path) -> None:
    write_ct_series(tmp_path, HOUNSFIELD, oblique_affine())
    series = one(tmp_path)
    assert series.kind is SeriesKind.CT
    assert series.image is not None
    assert series.image.quantity == CT_NUMBER
    np.testing.assert_array_equal(series.image.store.frame(0), HOUNSFIELD)
    np.testing.assert_allclose(series.image.geometry.affine_lps_mm, oblique_affine(), atol=1e-6)
    assert series.suv_verdict is series.kinetics_verdict is Verdict.REFUSED
    assert series.max_value == HOUNSFIELD.max()


def test_that_a_volume_may_lack_slope_and_intercept(tmp_path: Path) -> None:
    paths = write_ct_series(tmp_path, HOUNSFIELD, axial_affine())
    for path in paths:
        ds = pydicom.dcmread(path)
        del ds.RescaleSlope
        del ds.RescaleIntercept
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
        ds.Modality = "MR"
        ds.save_as(path)
    series = one(tmp_path)
    assert series.kind is SeriesKind.MR
    assert series.image is not None
    assert series.image.quantity == SIGNAL
    np.testing.assert_array_equal(series.image.store.frame(0), HOUNSFIELD + 1024)


def test_that_one_slice_takes_its_thickness(tmp_path: Path) -> None:
    paths = write_ct_series(tmp_path, HOUNSFIELD, axial_affine())
    for path in paths[1:]:
        path.unlink()
    image = one(tmp_path).image
    assert image is not None
    assert image.geometry.spacing_zyx_mm[0] == pytest.approx(3.27)


def test_that_uneven_spacing_within_bounds_is_told(tmp_path: Path) -> None:
    paths = write_ct_series(tmp_path, HOUNSFIELD, axial_affine())
    for z, path in enumerate(paths):
        ds = pydicom.dcmread(path)
        ds.ImagePositionPatient[2] += 0.25 * (z // 2)
        ds.save_as(path)
    assert "slice-spacing-uneven" in {finding.code for finding in one(tmp_path).findings}


def test_that_two_volumes_in_one_series_are_refused(tmp_path: Path) -> None:
    write_ct_series(tmp_path / "a", HOUNSFIELD, axial_affine())
    paths = write_ct_series(tmp_path / "b", HOUNSFIELD, axial_affine())
    for path in paths:
        ds = pydicom.dcmread(path)
        ds.SOPInstanceUID = ds.SOPInstanceUID + ".9"
        ds.save_as(path)
    assert "same position" in refusal(tmp_path) or "each position" in refusal(tmp_path)


def damaged_map(path: Path, damage: Any) -> Path:
    write_parametric_map(path, ki_map(), header(), 1)
    ds = pydicom.dcmread(path)
    damage(ds)
    ds.save_as(path)
    return path


def drop_positions(ds: Dataset) -> None:
    for frame in ds.PerFrameFunctionalGroupsSequence:
        del frame.PlanePositionSequence


def drop_frame(ds: Dataset) -> None:
    del ds.PerFrameFunctionalGroupsSequence[-1]


def move_frame(ds: Dataset) -> None:
    frame = ds.PerFrameFunctionalGroupsSequence[2]
    position = frame.PlanePositionSequence[0].ImagePositionPatient
    frame.PlanePositionSequence[0].ImagePositionPatient = [v + 1.0 for v in position]


def drop_groups(ds: Dataset) -> None:
    del ds.PerFrameFunctionalGroupsSequence


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (drop_positions, "no PlanePositionSequence"),
        (drop_frame, "frames and of positions differ"),
        (move_frame, "not evenly spaced"),
        (drop_groups, "no parametric map"),
    ],
)
def test_that_a_damaged_parametric_map_says_what_is_wrong(
    damage: Any, reason: str, tmp_path: Path
) -> None:
    assert reason in refusal(damaged_map(tmp_path / "map.dcm", damage))


@pytest.mark.parametrize(("code", "expected"), [("mg/min", "mg/min"), ("", "unknown")])
def test_that_an_unknown_unit_is_kept_as_it_is(code: str, expected: str, tmp_path: Path) -> None:
    def rename(ds: Dataset) -> None:
        shared = ds.SharedFunctionalGroupsSequence[0]
        groups = [shared, *ds.PerFrameFunctionalGroupsSequence]
        for group in groups:
            for mapping in group.get("RealWorldValueMappingSequence", []):
                mapping.MeasurementUnitsCodeSequence[0].CodeValue = code

    image = one(damaged_map(tmp_path / "map.dcm", rename)).image
    assert image is not None
    assert image.quantity.unit.symbol == expected


def test_that_a_name_with_another_unit_does_not_change_the_quantity() -> None:
    assert quantity_of("V0 by mistake", KI) == KI
    assert quantity_of("", KI) == KI
