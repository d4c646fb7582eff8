"""The same truth in every vendor's tags must be read as the same numbers."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.dicom_patterns import VENDORS
from tests.helpers.dicom_patterns.facts import SeriesSpec
from tests.helpers.phantoms import (
    QUANTUM_BQML,
    asymmetric_phantom,
    axial_affine,
    feet_first_affine,
    oblique_affine,
)

from kiview.core.errors import ReadError
from kiview.core.study import Series, Study, Verdict
from kiview.jobs.open_study import OpenRequest, open_study

START_S = np.array([20.0, 30.5, 90.5, 390.5])
DURATION_S = np.array([10.5, 60.0, 300.0, 300.0])
SPEC = SeriesSpec(quantum_bqml=QUANTUM_BQML)
SUV_PER_BQML = 70_000.0 / 350e6
ONE_MS = 1e-3


def read(folder: Path, **overrides: float | str) -> Series:
    series = read_study(folder, **overrides).main_series
    assert series is not None
    return series


def read_study(folder: Path, **overrides: float | str) -> Study:
    return open_study(OpenRequest(folder, overrides))


def voxels(series: Series) -> NDArray[np.float32]:
    assert series.image is not None
    return np.stack([series.image.store.frame(t) for t in range(series.image.frame_count)])


def write(folder: Path, vendor: str, spec: SeriesSpec = SPEC, **options: object) -> Path:
    activity = options.pop("activity", asymmetric_phantom())
    affine = options.pop("affine", axial_affine())
    start, duration = options.pop("start", START_S), options.pop("duration", DURATION_S)
    fields = {**vars(spec), **options}
    write_dynamic_series(folder, vendor, activity, affine, start, duration, **fields)
    return folder


@pytest.mark.parametrize("vendor", VENDORS)
def test_that_every_vendor_gives_the_same_activity_suv_and_times(
    vendor: str, tmp_path: Path
) -> None:
    series = read(write(tmp_path, vendor))
    image = series.image
    assert image is not None
    np.testing.assert_allclose(voxels(series), asymmetric_phantom(), rtol=1e-6)
    assert image.suv_factor == pytest.approx(SUV_PER_BQML, rel=1e-6)
    np.testing.assert_allclose(image.timing.start_s, START_S, atol=ONE_MS)
    np.testing.assert_allclose(image.timing.duration_s, DURATION_S, atol=ONE_MS)
    assert image.decay_corrected
    assert not image.timing.is_per_slice
    assert image.injection is not None
    assert image.injection.radionuclide.half_life_s == 6586.2
    assert series.kinetics_verdict is Verdict.READY
    assert series.suv_verdict is Verdict.READY


# One count factor for a series cannot hold frames that each have their own decay.
OTHER_STATES = [(v, c) for v in VENDORS for c in ("ADMIN", "NONE") if (v, c) != ("philips", "NONE")]


@pytest.mark.parametrize(("vendor", "correction"), OTHER_STATES)
def test_that_other_decay_states_come_to_the_injection_too(
    vendor: str, correction: str, tmp_path: Path
) -> None:
    def without_decay(ds: object, _facts: object) -> None:
        if correction == "NONE":
            ds.CorrectedImage = [word for word in ds.CorrectedImage if word != "DECY"]
            ds.DecayFactor = "1.0"
        elif "DecayFactor" in ds:
            del ds.DecayFactor

    folder = write(tmp_path, vendor, decay_correction=correction, change=without_decay)
    series = read(folder)
    relative = 1e-6 if correction == "ADMIN" else 2e-3  # NONE is quantised by another step
    np.testing.assert_allclose(voxels(series), asymmetric_phantom(), rtol=relative)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("geometry", [axial_affine, oblique_affine, feet_first_affine])
def test_that_every_voxel_lies_where_it_was_written(
    vendor: str, geometry: object, tmp_path: Path
) -> None:
    affine = geometry()
    image = read(write(tmp_path, vendor, affine=affine)).image
    assert image is not None
    np.testing.assert_allclose(image.geometry.affine_lps_mm, affine, atol=1e-6)
    phantom = asymmetric_phantom()
    for index in [(0, 0, 0), (4, 1, 2), (3, 7, 0), (1, 5, 10)]:
        place = affine @ [*index, 1.0]
        found = image.geometry.nearest_index(place[:3])
        assert found == index
        assert image.store.frame(2)[found] == pytest.approx(phantom[2][index], rel=1e-6)


def test_that_feet_first_slices_ascend_along_the_normal_to_the_feet(tmp_path: Path) -> None:
    image = read(write(tmp_path, "siemens", affine=feet_first_affine())).image
    assert image is not None
    assert image.geometry.axis_letters(0) == ("H", "F")
    assert image.geometry.axis_letters(2) == ("L", "R")


def test_that_times_per_slice_are_kept_for_beds(tmp_path: Path) -> None:
    bed = np.array([0, 0, 1, 1, 1])
    start = np.arange(4)[:, None] * 120.0 + bed * 45.0
    duration = np.full_like(start, 40.0)
    series = read(write(tmp_path, "multibed", start=start, duration=duration))
    image = series.image
    assert image is not None
    assert image.timing.is_per_slice
    np.testing.assert_allclose(image.timing.start_s, start, atol=ONE_MS)
    np.testing.assert_allclose(voxels(series), asymmetric_phantom(), rtol=1e-6)
    assert series.kinetics_verdict is not Verdict.REFUSED


@pytest.mark.parametrize("vendor", VENDORS)
def test_that_a_scan_over_midnight_counts_on(vendor: str, tmp_path: Path) -> None:
    injection = datetime(2020, 12, 31, 23, 55, 0)  # noqa: DTZ001 - scanner clock
    image = read(write(tmp_path, vendor, injection=injection)).image
    assert image is not None
    np.testing.assert_allclose(image.timing.start_s, START_S, atol=ONE_MS)


@pytest.mark.parametrize("vendor", VENDORS)
def test_that_a_late_scan_is_brought_to_the_injection(vendor: str, tmp_path: Path) -> None:
    start = np.array([3600.0, 3900.0])
    series = read(
        write(
            tmp_path,
            vendor,
            start=start,
            duration=np.array([300.0, 300.0]),
            activity=asymmetric_phantom(frame_count=2),
        )
    )
    assert series.image is not None
    np.testing.assert_allclose(series.image.timing.start_s, start, atol=ONE_MS)
    np.testing.assert_allclose(voxels(series), asymmetric_phantom(frame_count=2), rtol=1e-6)
    assert series.image.suv_factor == pytest.approx(SUV_PER_BQML, rel=1e-6)


def test_that_a_scan_begun_before_the_injection_is_confirmed_with_negative_times(
    tmp_path: Path,
) -> None:
    start = np.array([-15.0, 0.0, 60.0, 360.0])
    duration = np.array([15.0, 60.0, 300.0, 300.0])
    series = read(write(tmp_path, "siemens", start=start, duration=duration, scan_start_s=-15.0))
    assert series.image is not None
    np.testing.assert_allclose(series.image.timing.start_s, start, atol=ONE_MS)
    assert series.kinetics_verdict is Verdict.CONFIRM
    assert "injection-after-start" in {finding.code for finding in series.findings}


def test_that_the_suv_factor_of_the_files_is_reported_at_their_reference(tmp_path: Path) -> None:
    series = read(write(tmp_path, "ge"))
    left = 2.0 ** (-20.0 / 6586.2)
    assert series.file_suv_factor_g_per_bq == pytest.approx(SUV_PER_BQML / left, rel=1e-6)
    assert series.max_value == pytest.approx(asymmetric_phantom().max() * left, rel=1e-6)


def test_that_ki_needs_no_weight_but_suv_does(tmp_path: Path) -> None:
    series = read(write(tmp_path, "siemens", weight_kg=None))
    assert series.suv_verdict is Verdict.REFUSED
    assert series.kinetics_verdict is Verdict.READY
    entered = read(tmp_path, weight_kg=70.0)
    assert entered.suv_verdict is Verdict.READY
    assert entered.image is not None
    assert entered.image.suv_factor == pytest.approx(SUV_PER_BQML, rel=1e-6)
    assert ("weight_kg", 70.0) in entered.image.user_given


def test_that_an_entered_injection_time_moves_times_and_decay(tmp_path: Path) -> None:
    image = read(write(tmp_path, "siemens"), injection_time="10:34:12.25").image
    assert image is not None
    np.testing.assert_allclose(image.timing.start_s, START_S + 60.0, atol=ONE_MS)
    first = image.store.frame(0)[0, 0, 0]
    expected = asymmetric_phantom()[0, 0, 0, 0] * 2.0 ** (60.0 / 6586.2)
    assert first == pytest.approx(expected, rel=1e-6)


def test_that_a_series_without_injection_time_is_refused_until_it_is_entered(
    tmp_path: Path,
) -> None:
    def forget(ds: object, _facts: object) -> None:
        item = ds.RadiopharmaceuticalInformationSequence[0]
        del item.RadiopharmaceuticalStartTime
        del item.RadiopharmaceuticalStartDateTime

    write(tmp_path, "siemens", change=forget)
    series = read(tmp_path)
    assert series.kinetics_verdict is Verdict.REFUSED
    assert "injection_time" in {field for finding in series.findings for field in finding.fields}
    assert series.image is not None
    assert not series.image.decay_corrected
    entered = read(tmp_path, injection_time="2020-12-17T10:35:12.25")
    assert entered.kinetics_verdict is Verdict.READY
    np.testing.assert_allclose(voxels(entered), asymmetric_phantom(), rtol=1e-6)


def test_that_unknown_vendors_with_frame_centres_are_recognised(tmp_path: Path) -> None:
    def anonymous(ds: object, _facts: object) -> None:
        ds.Manufacturer = "Some Scanner"
        del ds.AcquisitionTime

    image = read(write(tmp_path, "philips_bqml", change=anonymous)).image
    assert image is not None
    np.testing.assert_allclose(image.timing.start_s, START_S, atol=ONE_MS)


def test_that_decay_factor_corrects_a_wrong_reading_of_reference_time(tmp_path: Path) -> None:
    def starts_at_centre(ds: object, facts: object) -> None:
        centre = facts.from_series_s + facts.duration_s / 2
        ds.FrameReferenceTime = str(round(1000 * centre, 3))

    start = np.arange(4) * 300.0 + 20.0
    duration = np.full(4, 300.0)
    folder = write(tmp_path, "ge", start=start, duration=duration, change=starts_at_centre)
    series = read(folder)
    assert series.image is not None
    np.testing.assert_allclose(series.image.timing.start_s, start, atol=ONE_MS)
    assert "frame-times-by-decay-factor" in {finding.code for finding in series.findings}


def test_that_patterns_really_differ_in_their_tags(tmp_path: Path) -> None:
    import pydicom  # noqa: PLC0415 - the tags themselves are looked at here only

    seen = {}
    for vendor in VENDORS:
        spec = replace(SPEC, seed=3)
        paths = sorted(write(tmp_path / vendor, vendor, spec).iterdir())
        ds = pydicom.dcmread(paths[0])
        seen[vendor] = (ds.Units, str(ds.FrameReferenceTime), ds.AcquisitionTime, ds.SeriesTime)
    assert len(set(seen.values())) == len(set(VENDORS) - {"multibed"})


def later(ds: object, facts: object) -> None:
    """The series was made anew two hours after the scan."""
    moment = facts.spec.series_start + timedelta(hours=2)
    ds.SeriesTime = moment.strftime("%H%M%S.%f")


def later_with_siemens_tag(ds: object, facts: object) -> None:
    later(ds, facts)
    block = ds.private_block(0x0071, "SIEMENS MED PT", create=True)
    block.add_new(0x22, "DT", facts.spec.series_start.strftime("%Y%m%d%H%M%S.%f"))


def later_with_ge_tag(ds: object, facts: object) -> None:
    later(ds, facts)
    block = ds.private_block(0x0009, "GEMS_PETD_01", create=True)
    block.add_new(0x0D, "DT", facts.spec.series_start.strftime("%Y%m%d%H%M%S.%f"))


@pytest.mark.parametrize(
    ("vendor", "change", "relative"),
    [
        ("siemens", later, 1e-4),  # centre and decay average differ by up to 0.4 s
        ("siemens", later_with_siemens_tag, 1e-6),
        ("philips", later, 1e-6),
        ("philips_bqml", later, 1e-6),
        ("ge", later, 1e-6),
        ("ge", later_with_ge_tag, 1e-6),
    ],
)
def test_that_a_series_made_anew_keeps_the_scan_as_decay_reference(
    vendor: str, change: object, relative: float, tmp_path: Path
) -> None:
    start = np.array([1800.0, 1830.0, 1890.0, 2190.0])
    duration = np.array([30.0, 60.0, 300.0, 300.0])
    series = read(write(tmp_path, vendor, start=start, duration=duration, change=change))
    assert series.image is not None
    np.testing.assert_allclose(series.image.timing.start_s, start, atol=ONE_MS)
    np.testing.assert_allclose(voxels(series), asymmetric_phantom(), rtol=relative)
    assert series.image.suv_factor == pytest.approx(SUV_PER_BQML, rel=relative)


def test_that_a_late_cut_of_a_long_scan_is_decayed_to_the_series_start(tmp_path: Path) -> None:
    start, duration = np.array([3000.0, 3300.0]), np.array([300.0, 300.0])
    activity = asymmetric_phantom(frame_count=2)
    folder = write(
        tmp_path, "siemens", start=start, duration=duration, activity=activity, scan_start_s=10.0
    )
    series = read(folder)
    assert series.image is not None
    np.testing.assert_allclose(series.image.timing.start_s, start, atol=ONE_MS)
    np.testing.assert_allclose(voxels(series), activity, rtol=1e-6)


@pytest.mark.parametrize("correction", ["START", "NONE"])
def test_that_without_any_clock_neither_suv_nor_ki_is_promised(
    correction: str, tmp_path: Path
) -> None:
    def no_clock(ds: object, _facts: object) -> None:
        del ds.SeriesTime
        del ds.AcquisitionTime
        if correction == "NONE":
            ds.CorrectedImage = ["ATTN"]

    series = read(write(tmp_path, "siemens", change=no_clock, decay_correction=correction))
    assert series.suv_verdict is Verdict.REFUSED
    assert series.kinetics_verdict is Verdict.REFUSED
    assert series.image is not None
    assert series.image.suv_factor is None


def test_that_centimetres_of_height_are_recognised(tmp_path: Path) -> None:
    study = read_study(write(tmp_path, "philips", height_m=175.0))
    assert study.patient.height_m == pytest.approx(1.75)


def test_that_philips_counts_with_only_an_suv_factor_are_suv(tmp_path: Path) -> None:
    def only_suv(ds: object, _facts: object) -> None:
        del ds[0x7053, 0x1009]

    series = read(write(tmp_path, "philips", change=only_suv))
    assert series.image is not None
    assert series.image.quantity.code == "SUV"
    expected = asymmetric_phantom()[1] * SUV_PER_BQML
    np.testing.assert_allclose(series.image.store.frame(1), expected, rtol=1e-6)


def test_that_philips_counts_without_weight_and_one_decay_have_no_suv(tmp_path: Path) -> None:
    def uncorrected(ds: object, _facts: object) -> None:
        ds.CorrectedImage = ["ATTN"]
        ds.DecayCorrection = "NONE"

    series = read(write(tmp_path, "philips", change=uncorrected))
    assert series.image is not None
    assert series.image.suv_factor == pytest.approx(SUV_PER_BQML, rel=1e-6)
    assert series.file_suv_factor_g_per_bq is None  # it differs from frame to frame

    def forget(ds: object, facts: object) -> None:
        uncorrected(ds, facts)
        del ds.PatientWeight

    without = read(write(tmp_path / "b", "philips", change=forget))
    assert "suv-unknown" in {finding.code for finding in without.findings}
    assert without.suv_verdict is Verdict.REFUSED


def test_that_entered_dose_and_half_life_win_over_the_files(tmp_path: Path) -> None:
    series = read(write(tmp_path, "siemens"), dose_bq=700e6, half_life_s=6600.0)
    assert series.image is not None
    assert series.image.suv_factor == pytest.approx(SUV_PER_BQML / 2, rel=1e-6)
    assert series.image.injection is not None
    assert series.image.injection.radionuclide.half_life_s == 6600.0


def test_that_frames_without_times_are_ordered_by_number(tmp_path: Path) -> None:
    def forget(ds: object, facts: object) -> None:
        del ds.ActualFrameDuration
        ds.ImageIndex = 1 + facts.slice_index  # of the slice only

    series = read(write(tmp_path, "siemens", change=forget))
    np.testing.assert_allclose(voxels(series)[3], asymmetric_phantom()[3], rtol=1e-6)

    def forget_all(ds: object, facts: object) -> None:
        forget(ds, facts)
        del ds.InstanceNumber

    write(tmp_path / "b", "siemens", change=forget_all)
    with pytest.raises(ReadError, match="cannot be told apart"):
        read(tmp_path / "b")


def test_that_an_acquisition_after_midnight_without_its_date_is_the_next_day(
    tmp_path: Path,
) -> None:
    def no_date(ds: object, _facts: object) -> None:
        del ds.AcquisitionDate

    injection = datetime(2020, 12, 31, 23, 57, 0)  # noqa: DTZ001 - scanner clock
    image = read(write(tmp_path, "siemens", injection=injection, change=no_date)).image
    assert image is not None
    np.testing.assert_allclose(image.timing.start_s, START_S, atol=ONE_MS)


def test_that_a_series_without_any_date_is_read_by_its_clock(tmp_path: Path) -> None:
    def no_dates(ds: object, _facts: object) -> None:
        for keyword in ("SeriesDate", "AcquisitionDate", "StudyDate"):
            delattr(ds, keyword)
        del ds.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartDateTime

    image = read(write(tmp_path, "siemens", change=no_dates)).image
    assert image is not None
    np.testing.assert_allclose(image.timing.start_s, START_S, atol=ONE_MS)


def test_that_one_date_time_tag_serves_as_date_and_time(tmp_path: Path) -> None:
    def joined(ds: object, facts: object) -> None:
        del ds.AcquisitionDate
        del ds.AcquisitionTime
        ds.AcquisitionDateTime = facts.start.strftime("%Y%m%d%H%M%S.%f")

    image = read(write(tmp_path, "siemens", change=joined)).image
    assert image is not None
    np.testing.assert_allclose(image.timing.start_s, START_S, atol=ONE_MS)


@pytest.mark.parametrize("maker", ["GE MEDICAL SYSTEMS", "Some Scanner"])
def test_that_static_beds_under_one_acquisition_time_keep_their_own(
    maker: str, tmp_path: Path
) -> None:
    def named(ds: object, _facts: object) -> None:
        ds.Manufacturer = maker

    start = np.array([[0.0, 0.0, 243.0, 243.0, 486.0]])
    image = read(
        write(
            tmp_path,
            "ge",
            activity=asymmetric_phantom(frame_count=1),
            start=start,
            duration=np.full_like(start, 240.0),
            change=named,
        )
    ).image
    assert image is not None
    np.testing.assert_allclose(image.timing.start_s, start, atol=ONE_MS)
