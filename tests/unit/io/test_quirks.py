"""What real DICOM PET files of several makers look like, one test for each oddity that was met.

The numbers are those of the files in which the oddity was seen, or closed forms.
"""

import numpy as np
import pytest
from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.header_series import clock, codes, pet, read, read_all, starts, texts, values
from tests.helpers.phantoms import axial_affine

from kiview.core.study import SeriesKind, Verdict
from kiview.jobs.open_study import OpenRequest, open_study

ONE = {"start_s": [0.0], "duration_s": [600.0]}


def test_that_slices_are_sorted_by_place_and_not_by_number():
    """STS_001: InstanceNumber runs from head to foot while ImageIndex runs the other way."""
    columns = pet(
        "GE MEDICAL SYSTEMS", [0.0], [240.0], slices=4, DecayCorrection="ADMIN",
        ImagePositionPatient=[f"0\\0\\{z}" for z in (6, 0, 9, 3)],
        InstanceNumber=["4", "3", "2", "1"], ImageIndex=["1", "2", "3", "4"],
    )  # fmt: skip
    series = read(columns, [300, 100, 400, 200])
    assert values(series).tolist() == [[100, 200, 300, 400]]
    assert series.image.geometry.to_lps_mm([0, 0, 0])[2] == 0


def test_that_place_is_the_distance_along_the_normal():
    """Sagittal images: the normal of rows along y and columns along -z points to -x."""
    columns = pet(
        start_s=[0.0], duration_s=[240.0], slices=3, DecayCorrection="ADMIN",
        ImageOrientationPatient="0\\1\\0\\0\\0\\-1",
        ImagePositionPatient=[f"{x}\\5\\7" for x in (-6, 0, -3)],
    )  # fmt: skip
    assert values(read(columns, [300, 100, 200])).tolist() == [[100, 200, 300]]


def test_that_positions_are_grouped_before_times():
    """Images in any order, each place with its own times."""
    order = [4, 1, 3, 0, 5, 2]
    columns = pet(start_s=[0.0, 60.0, 120.0], duration_s=[60.0] * 3, DecayCorrection="ADMIN",
                  NumberOfTimeSlices="6", SeriesType="STATIC\\IMAGE")  # fmt: skip
    mixed = {n: v if isinstance(v, str) else [v[i] for i in order] for n, v in columns.items()}
    series = read(mixed, [100 * (i + 1) for i in order])
    assert series.kind is SeriesKind.DYNAMIC
    assert values(series).tolist() == [[100, 200], [300, 400], [500, 600]]


def test_that_time_wins_over_numbers_that_run_against_it():
    """Philips (dcm2niix 184, 529): the first frame has the last InstanceNumber."""
    columns = pet("Philips Medical Systems", DecayCorrection="ADMIN")
    columns["InstanceNumber"] = columns["ImageIndex"] = texts(range(6, 0, -1))
    assert values(read(columns, np.arange(1, 7)))[:, 0].tolist() == [1, 3, 5]


def test_that_scrambled_frames_of_an_hrrt_are_sorted_by_reference_time():
    """dcm2niix 577: FrameReferenceTime 121, 391, 91 ... s against InstanceNumber 1, 2, 3 ..."""
    duration = np.array([30.0, 60.0, 120.0, 300.0])
    start = np.array([0.0, 30.0, 90.0, 210.0])
    order = [2, 3, 0, 1]
    columns = pet(
        "CPS", start[order], duration[order], slices=1, AcquisitionTime="110000",
        FrameReferenceTime=texts((start + duration / 2)[order], 1000),
        InstanceNumber=["1", "2", "3", "4"], DecayCorrection="ADMIN",
    )  # fmt: skip
    series = read(columns, np.array([1, 2, 3, 4])[order])
    np.testing.assert_allclose(starts(series), start)
    assert values(series)[:, 0].tolist() == [1, 2, 3, 4]


def test_that_a_trigger_time_of_zero_is_not_a_reference_time():
    """minc-tools 84: GE dynamic files say TriggerTime 0 in every frame."""
    start = np.array([0.0, 60.0, 360.0])
    columns = pet(
        "GE MEDICAL SYSTEMS", TriggerTime="0.0", AcquisitionTime="110000",
        FrameReferenceTime=texts(np.repeat(start, 2), 1000),
    )  # fmt: skip
    np.testing.assert_allclose(starts(read(columns)), start)


def test_that_the_decay_factor_of_a_real_ge_bed_agrees_with_its_start():
    """STS_001: 1.15077 for 240 s from 1215 s, half-life 6588 s."""
    columns = pet(
        "GE MEDICAL SYSTEMS", [[0.0, 1215.0]], [[240.0, 240.0]], AcquisitionTime="110000",
        FrameReferenceTime=["0.0", "1215000"], DecayFactor=["1.01269", "1.15077"],
        RadionuclideHalfLife="6588",
    )  # fmt: skip
    assert "decay-factor-differs" not in codes(read(columns))


def test_that_a_real_siemens_reference_time_is_read_as_mid_frame():
    """1378.78 s for a frame 1288.92-1468.92 s, of which the mid is 1378.92 s."""
    columns = pet(
        start_s=[1288.92, 1468.92], duration_s=[180.0, 180.0], AcquisitionTime="110000",
        FrameReferenceTime=["1378780"] * 2 + ["1558780"] * 2,
    )  # fmt: skip
    np.testing.assert_allclose(starts(read(columns)), [1288.78, 1468.78], atol=1e-6)


def test_that_a_real_philips_reference_time_is_mid_frame():
    """1856.793 s is 58 s + 3597.793 s / 2."""
    columns = pet(
        "Philips", [0.0, 3597.793], [3597.793] * 2, AcquisitionTime="110000",
        ActualFrameDuration="3597793",
        FrameReferenceTime=["1856793"] * 2 + ["5454586"] * 2,
    )  # fmt: skip
    np.testing.assert_allclose(starts(read(columns)), [57.8965, 3655.6895], atol=1e-6)


@pytest.mark.parametrize(
    ("text", "start_s"),
    [("103500.00", 1500), ("085000", 7800), ("084500.000000", 8100), ("10:35:00.50", 1499.5)],
)
def test_that_every_form_of_the_injection_time_is_read(text, start_s):
    image = read(pet(RadiopharmaceuticalStartTime=text)).image
    assert image.timing.start_s[0] == pytest.approx(start_s)


@pytest.mark.parametrize(
    ("text", "dose_bq"),
    [
        ("3.88777472E8", 388777472.0),
        ("587929992.67578", 587929992.67578),
        ("3.885e+008", 388.5e6),
    ],
)
def test_that_every_form_of_the_dose_is_read(text, dose_bq):
    series = read(pet(RadionuclideTotalDose=text))
    assert series.image.injection.activity_bq == dose_bq
    assert series.image.suv_factor == pytest.approx(70_000.0 / dose_bq)


@pytest.mark.parametrize("text", ["4.2661e9", "9e6", "370"])
def test_that_a_dose_ten_times_too_high_or_in_another_unit_is_to_be_confirmed(text):
    series = read(pet(RadionuclideTotalDose=text))
    assert "dose-unusual" in codes(series)
    assert series.suv_verdict is Verdict.CONFIRM
    assert series.kinetics_verdict is Verdict.READY
    assert series.image.injection.activity_bq == float(text)  # used as told, not corrected


def test_that_the_half_life_of_the_header_counts():
    """STS_001: 71 kg, 388777472 Bq 2711 s before, half-life 6588 s; published factor."""
    columns = pet(
        PatientWeight="71", RadionuclideTotalDose="3.88777472E8", RadionuclideHalfLife="6588",
        RadiopharmaceuticalStartTime="101449",
    )  # fmt: skip
    assert read(columns).file_suv_factor_g_per_bq == pytest.approx(2.429029766e-4, rel=1e-9)


def test_that_a_name_that_differs_is_one_patient_and_another_id_is_not():
    """STS_032: PatientName is not PatientID, and may change within a study."""
    assert read(pet(PatientName=["A"] * 3 + ["B"] * 3)).image is not None
    series = read(pet(PatientID=["1"] * 3 + ["2"] * 3))
    assert series.image is None
    assert "several patients" in series.findings[0].message


def positions(*gaps):
    return [f"0\\0\\{z:.2f}" for z in np.cumsum((0.0, *gaps))]


def test_that_the_spacing_of_ge_beds_may_vary_at_their_joints():
    """STS_001: 3.27 mm inside, 3.19 and 3.29 mm at the joints."""
    columns = pet(**ONE, slices=6, ImagePositionPatient=positions(3.27, 3.19, 3.27, 3.29, 3.27))
    series = read(columns)
    assert series.image.store.shape_tzyx[1] == 6
    assert series.image.geometry.spacing_zyx_mm[0] == pytest.approx(16.29 / 5)
    gone = pet(**ONE, slices=6, ImagePositionPatient=positions(3.27, 3.27, 6.54, 3.27, 3.27))
    assert "slice seems to be missing" in read(gone).findings[0].message


def test_that_a_frame_that_is_shifted_is_not_called_a_missing_slice():
    shifted = [f"0\\0\\{3 * (i % 2) + (i >= 6)}" for i in range(8)]
    columns = pet(start_s=range(0, 240, 60), duration_s=[60.0] * 4, ImagePositionPatient=shifted)
    message = read(columns).findings[0].message
    assert "differ between frames: 1 of 3 frames are shifted by 1.00 mm" in message


def test_that_a_table_that_bends_away_from_even_spacing_is_told():
    columns = pet(**ONE, slices=6, ImagePositionPatient=positions(3.0, 3.2, 3.2, 3.0, 3.0))
    assert "slice-spacing-uneven" in codes(read(columns))


def test_that_unsigned_pixels_are_not_taken_for_negative(tmp_path):
    """40000 as signed 16 bit is -25536; MONOCHROME1 does not turn values round."""

    def unsigned(ds, _facts):
        ds.PixelRepresentation, ds.PhotometricInterpretation = 0, "MONOCHROME1"
        ds.PixelData = np.full(20, 40000, "<u2").tobytes()
        ds.RescaleSlope = "2"

    shape = np.ones((1, 2, 4, 5))
    write_dynamic_series(
        tmp_path, "siemens", shape, axial_affine(), [0.0], [60.0], change=unsigned,
        decay_correction="ADMIN",
    )  # fmt: skip
    series = open_study(OpenRequest(tmp_path)).series[0]
    assert series.max_value == 80000
    assert (series.image.store.frame(0) == 80000).all()


def test_that_an_empty_private_block_is_no_time():
    """De-identified GE files keep the creator of group 0009 but no values."""
    columns = pet("GE MEDICAL SYSTEMS", GeScanDateTime="", SeriesTime="130000",
                  FrameReferenceTime="0")  # fmt: skip
    assert read(columns).file_suv_factor_g_per_bq == pytest.approx(2.92127e-4, rel=2e-6)


def test_that_a_private_element_counts_only_below_its_creator(tmp_path):
    """The same element of another creator is another thing; Philips' own is found in any block."""

    def change(ds, _facts):
        other = ds.private_block(0x7053, "SOMEBODY ELSE", create=True)
        other.add_new(0x00, "DS", "123")
        other.add_new(0x09, "DS", "456")
        own = ds.private_block(0x7053, "Philips PET Private Group", create=True)
        own.add_new(0x09, "DS", "0.5")
        third = ds.private_block(0x7053, "SOMEBODY ELSE AGAIN", create=True)
        third.add_new(0x09, "DS", "789")
        ds.Manufacturer, ds.Units = "Philips Medical Systems", "CNTS"
        ds.PixelData = np.full(20, 100, "<i2").tobytes()
        ds.RescaleSlope = "1"

    write_dynamic_series(
        tmp_path, "siemens", np.ones((1, 2, 4, 5)), axial_affine(), [0.0], [60.0], change=change,
        decay_correction="ADMIN",
    )  # fmt: skip
    image = open_study(OpenRequest(tmp_path)).series[0].image
    np.testing.assert_allclose(image.store.frame(0), 50.0)


def test_that_a_siemens_series_needs_neither_number_of_time_slices_nor_size():
    read_ = read_all(pet(NumberOfTimeSlices=None, PatientSize=None))
    assert read_.series.image.frame_count == 3
    assert read_.patient.height_m is None
    assert read_.series.suv_verdict is Verdict.READY


def test_that_files_copied_twice_count_once():
    columns = pet()
    doubled = {n: v if isinstance(v, str) else [*v, v[0]] for n, v in columns.items()}
    result = read_all(doubled)
    assert result.series.image.frame_count == 3
    assert "copies-ignored" in codes(result.series)
    assert len(result.unused) == 1


def with_one_more(columns, **changes):
    """The columns with the first image once more, changed."""
    count = len(columns["SOPInstanceUID"])
    each = {name: [v] * count if isinstance(v, str) else v for name, v in columns.items()}
    return {name: [*texts, changes.get(name, texts[0])] for name, texts in each.items()}


def test_that_images_that_share_a_uid_but_not_time_or_place_are_all_read():
    """A bad anonymiser numbered the slices of every frame anew."""
    columns = pet(SOPInstanceUID=["1.2.1", "1.2.2"] * 3)
    result = read_all(columns, [100, 200, 300, 400, 500, 600])
    told = {one.code: one for one in result.series.findings}["uids-repeated"]
    assert values(result.series).tolist() == values(read(pet(), range(100, 700, 100))).tolist()
    assert "copies-ignored" not in codes(result.series)
    assert told.message.startswith("4 images have the SOPInstanceUID of another image")
    assert "(the first are im0 and im2)" in told.message
    assert result.unused == ()


@pytest.mark.parametrize("change", [{"RescaleSlope": "10"}, {"RescaleIntercept": "1"}])
def test_that_an_image_with_the_uid_of_another_and_another_scale_is_refused(change):
    """Else the file that comes first by its name decides about the activity."""
    series = read(with_one_more(pet(), **change))
    assert series.image is None
    assert "the same position and time (im0 and im6)" in series.findings[0].message


def test_that_the_clock_of_the_helper_is_that_of_the_day():
    assert clock(-3600.0) == "100000.000000"
    assert clock(46_740.0) == "235900.000000"
