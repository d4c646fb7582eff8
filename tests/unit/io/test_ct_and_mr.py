"""CT and MR of a study: every series is an image for fusion, or is listed with the reason."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from highdicom import _standard_utils
from highdicom.legacy import LegacyConvertedEnhancedCTImage
from pydicom.dataset import Dataset
from pydicom.uid import (
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    generate_uid,
)
from tests.helpers.compression import LOSSLESS, compress_file, compress_object
from tests.helpers.dicom_factory import write_ct_series, write_dynamic_series
from tests.helpers.dicom_patterns.facts import SeriesSpec
from tests.helpers.other_objects import turn_into_mr, write_enhanced_volume, write_object
from tests.helpers.phantoms import asymmetric_phantom, oblique_affine

from kiview.core.study import Series, SeriesKind, Study, Verdict
from kiview.core.units import CT_NUMBER, SIGNAL
from kiview.io.sop_classes import why_not_used
from kiview.jobs.open_study import OpenRequest, open_study

SHAPE = (5, 8, 11)
HOUNSFIELD = np.rint(asymmetric_phantom(SHAPE, 1)[0] / 10) - 1000
STORED = HOUNSFIELD + 1024  # `write_ct_series` writes intercept -1024


def opened(folder: Path) -> Study:
    return open_study(OpenRequest(folder))


def one(folder: Path) -> Series:
    (series,) = opened(folder).series
    return series


def ct_slices(folder: Path) -> list[Dataset]:
    paths = write_ct_series(folder, HOUNSFIELD, oblique_affine())
    slices = [pydicom.dcmread(path) for path in paths]
    for path in paths:
        path.unlink()
    return [slices[i] for i in (3, 0, 4, 1, 2)]


def assert_shown(series: Series, kind: SeriesKind, values: np.ndarray) -> None:
    assert series.kind is kind
    assert series.image is not None
    np.testing.assert_array_equal(series.image.store.frame(0), values)
    np.testing.assert_allclose(series.image.geometry.affine_lps_mm, oblique_affine(), atol=1e-6)
    assert series.image.geometry.frame_of_reference_uid
    assert series.suv_verdict is series.kinetics_verdict is Verdict.REFUSED


def test_that_enhanced_ct_is_in_hounsfield_units_at_its_place(tmp_path: Path) -> None:
    write_enhanced_volume(tmp_path / "ct.dcm", ct_slices(tmp_path), EnhancedCTImageStorage)
    series = one(tmp_path)
    assert_shown(series, SeriesKind.CT, HOUNSFIELD)
    assert series.image is not None
    assert series.image.quantity == CT_NUMBER
    assert series.source_files == (str(tmp_path / "ct.dcm"),)


def test_that_each_frame_has_its_own_slope_and_intercept(tmp_path: Path) -> None:
    slices = ct_slices(tmp_path)
    for number, ds in enumerate(slices):
        ds.RescaleSlope, ds.RescaleIntercept = str(number + 1), str(-10 * number)
    expected = np.empty(SHAPE)
    for number, z in enumerate((3, 0, 4, 1, 2)):
        expected[z] = STORED[z] * (number + 1) - 10 * number
    write_enhanced_volume(tmp_path / "ct.dcm", slices, EnhancedCTImageStorage)
    assert_shown(one(tmp_path), SeriesKind.CT, expected)


def test_that_the_rescale_wins_over_a_value_mapping_of_ct(tmp_path: Path) -> None:
    def add_mapping(ds: Dataset) -> None:
        for group in ds.PerFrameFunctionalGroupsSequence:
            mapping, unit = Dataset(), Dataset()
            mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = 3.0, 5.0
            unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "mg/ml", "UCUM", "x"
            mapping.MeasurementUnitsCodeSequence = [unit]
            group.RealWorldValueMappingSequence = [mapping]

    path = tmp_path / "ct.dcm"
    write_enhanced_volume(path, ct_slices(tmp_path), EnhancedCTImageStorage, add_mapping)
    assert_shown(one(tmp_path), SeriesKind.CT, HOUNSFIELD)


@pytest.fixture
def whole_standard(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of highdicom's table: the program keeps only the parts of what it writes itself."""
    load = _standard_utils.get_module_attribute_map.__wrapped__
    monkeypatch.setattr(_standard_utils, "get_module_attribute_map", functools.cache(load))


@pytest.mark.usefixtures("whole_standard")
def test_that_ct_converted_by_highdicom_is_read(tmp_path: Path) -> None:
    slices = ct_slices(tmp_path)
    for ds in slices:
        ds.PatientPosition, ds.BurnedInAnnotation = "HFS", "NO"
    converted = LegacyConvertedEnhancedCTImage(
        sorted(slices, key=lambda ds: ds.InstanceNumber),
        series_instance_uid=generate_uid(),
        series_number=7,
        sop_instance_uid=generate_uid(),
        instance_number=1,
    )
    converted.save_as(tmp_path / "legacy.dcm")
    series = one(tmp_path)
    assert_shown(series, SeriesKind.CT, HOUNSFIELD)
    assert series.image is not None
    assert series.image.quantity == CT_NUMBER


@pytest.mark.parametrize(
    "sop_class", [EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage]
)
def test_that_multi_frame_mr_has_no_unit(sop_class: str, tmp_path: Path) -> None:
    def as_mr(ds: Dataset) -> None:
        ds.Modality = "MR"

    write_enhanced_volume(tmp_path / "mr.dcm", ct_slices(tmp_path), sop_class, as_mr)
    series = one(tmp_path)
    assert_shown(series, SeriesKind.MR, HOUNSFIELD)
    assert series.image is not None
    assert series.image.quantity == SIGNAL


@pytest.mark.parametrize("syntax", LOSSLESS.values(), ids=LOSSLESS.keys())
def test_that_compressed_ct_and_mr_keep_every_value(syntax: str, tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    slices = ct_slices(tmp_path)
    for ds in slices:
        ds.PixelRepresentation = 0  # pyjpegls encodes unsigned samples

    def compress(ds: Dataset) -> None:
        compress_object(ds, slices, syntax, tmp_path / "frames")

    paths = write_ct_series(tmp_path / "ct", HOUNSFIELD, oblique_affine())
    for path in paths:
        ds = pydicom.dcmread(path)
        ds.PixelRepresentation = 0
        ds.save_as(path)
        compress_file(path, syntax)
    assert_shown(one(tmp_path / "ct"), SeriesKind.CT, HOUNSFIELD)
    path = write_enhanced_volume(tmp_path / "enhanced" / "ct.dcm", slices, EnhancedCTImageStorage)
    ds = pydicom.dcmread(path)
    compress(ds)
    ds.save_as(path)
    assert_shown(one(path.parent), SeriesKind.CT, HOUNSFIELD)


def test_that_interleaved_files_of_one_folder_make_two_ct_and_an_mr(tmp_path: Path) -> None:
    for number, seed in enumerate((1, 2, 3)):
        paths = write_ct_series(
            tmp_path / str(number),
            HOUNSFIELD + 100 * number,
            oblique_affine(),
            SeriesSpec(seed=seed, study_uid="1.2.3"),
        )
        if number == 2:
            turn_into_mr(paths)
        for z, path in enumerate(paths):
            path.rename(tmp_path / f"{z:03d}{number}")
    study = opened(tmp_path)
    assert [series.kind for series in study.series].count(SeriesKind.CT) == 2
    for series in study.series:
        assert series.image is not None
        assert len(series.source_files) == SHAPE[0]
    highest = {series.max_value for series in study.series}
    assert highest == {HOUNSFIELD.max(), HOUNSFIELD.max() + 100, STORED.max() + 200}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"RescaleType": "MGML"}, "are in MGML"),
        ({"RescaleSlope": None}, "no RescaleSlope and RescaleIntercept"),
        ({"RescaleIntercept": None}, "no RescaleSlope and RescaleIntercept"),
    ],
)
def test_that_ct_values_of_another_unit_are_not_called_hounsfield(
    values: dict[str, Any], told: str, tmp_path: Path
) -> None:
    for path in write_ct_series(tmp_path, HOUNSFIELD, oblique_affine()):
        ds = pydicom.dcmread(path)
        for keyword, value in values.items():
            if value is None:
                del ds[keyword]
            else:
                setattr(ds, keyword, value)
        ds.save_as(path)
    series = one(tmp_path)
    assert series.image is not None
    assert series.image.quantity == SIGNAL
    (finding,) = [found for found in series.findings if found.code == "ct-not-hounsfield"]
    assert told in finding.message


def test_that_a_scout_is_listed_and_does_not_spoil_its_series(tmp_path: Path) -> None:
    paths = write_ct_series(tmp_path, HOUNSFIELD, oblique_affine())
    scout = pydicom.dcmread(paths[0])
    scout.SOPInstanceUID = generate_uid()
    scout.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    scout.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    scout.save_as(tmp_path / "scout.dcm")
    study = opened(tmp_path)
    assert_shown(study.series[0], SeriesKind.CT, HOUNSFIELD)
    assert study.unused_files == ((str(tmp_path / "scout.dcm"), "localizer (scout), no volume"),)


def test_that_copies_of_ct_files_are_listed(tmp_path: Path) -> None:
    path = write_ct_series(tmp_path, HOUNSFIELD, oblique_affine())[2]
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    study = opened(tmp_path)
    told = {*study.series[0].source_files, *(name for name, _ in study.unused_files)}
    assert told == {str(one) for one in tmp_path.iterdir()}
    assert [reason for _, reason in study.unused_files] == ["a copy of another file of the series"]


REASONS = [
    ("1.2.840.10008.5.1.4.1.1.7", "screen picture"),
    ("1.2.840.10008.5.1.4.1.1.7.4", "screen picture"),
    ("1.2.840.10008.5.1.4.1.1.88.67", "dose report"),
    ("1.2.840.10008.5.1.4.1.1.88.68", "radiopharmaceutical dose report"),
    ("1.2.840.10008.5.1.4.1.1.88.33", "structured report"),
    ("1.2.840.10008.5.1.4.1.1.88.59", "key images"),
    ("1.2.840.10008.5.1.4.1.1.11.1", "presentation state"),
    ("1.2.840.10008.5.1.4.1.1.104.1", "document"),
    ("1.2.840.10008.5.1.4.1.1.66.1", "registration"),
    ("1.2.840.10008.5.1.4.1.1.481.9", "radiotherapy"),
    ("1.2.840.10008.5.1.4.1.1.1.1", "Digital X-Ray Image Storage"),
    ("1.2.826.0.1.3680043.8.498.1", "not read (1.2.826.0.1.3680043.8.498.1)"),
]


@pytest.mark.parametrize(("sop_class", "reason"), REASONS)
def test_that_what_is_no_image_is_listed_with_the_reason(
    sop_class: str, reason: str, tmp_path: Path
) -> None:
    paths = write_dynamic_series(
        tmp_path, "ge", asymmetric_phantom(SHAPE, 1), oblique_affine(), [0.0], [60.0]
    )
    other = write_object(tmp_path / "other.dcm", paths[0], sop_class, "OT")
    study = opened(tmp_path)
    assert len(study.series) == 1
    ((path, told),) = study.unused_files
    assert path == str(other)
    assert reason in told
    assert told == why_not_used(sop_class, "")


def test_that_several_mr_images_at_each_place_are_listed_with_the_reason(tmp_path: Path) -> None:
    write_dynamic_series(
        tmp_path / "pet", "ge", asymmetric_phantom(SHAPE, 1), oblique_affine(), [0.0], [60.0]
    )

    def number_echoes(ds: Dataset) -> None:
        for number, group in enumerate(ds.PerFrameFunctionalGroupsSequence):
            group.FrameContentSequence[0].TemporalPositionIndex = 1 + number // SHAPE[0]

    slices = ct_slices(tmp_path / "ct")
    path = tmp_path / "mr.dcm"
    write_enhanced_volume(path, [*slices, *slices], EnhancedMRImageStorage, number_echoes)
    refused = opened(tmp_path).series[-1]
    assert refused.image is None
    assert refused.source_files == (str(tmp_path / "mr.dcm"),)
    assert "Several images lie at the same position" in refused.findings[0].message
