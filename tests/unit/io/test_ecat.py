"""ECAT 7: voxels, directions, times, units, decay; what is missing is asked for."""

import struct
from typing import Any

import nibabel
import numpy as np
import pytest
import scipy.io
from nibabel.ecat import EcatImage
from tests.helpers.ecat_factory import (
    BLOCK,
    CALIBRATION,
    CORRECTED,
    DURATION_S,
    F18_S,
    SCALE,
    SCAN_START,
    START_S,
    UNCORRECTED_FOR_DECAY,
    decay_factors,
    stored,
    written,
)
from tests.helpers.opening import codes, image_of, read
from tests.helpers.real_headers import DATA

from kiview.core.study import SeriesKind, Verdict
from kiview.core.units import ACTIVITY, UNKNOWN
from kiview.jobs.open_study import OpenRequest, open_study

GOLDEN = DATA / "ecat-golden" / "synthetic_ecat_integer_16x16x16x4.v.gz"


def test_that_the_golden_file_has_its_true_voxels_and_times():
    series = read(GOLDEN)
    image = image_of(series)
    truth = scipy.io.loadmat(GOLDEN.with_name("synthetic_ecat_integer_16x16x16x4.mat"))
    assert series.kind is SeriesKind.DYNAMIC
    assert image.quantity == ACTIVITY
    assert series.max_value == 32766
    np.testing.assert_allclose(image.timing.start_s, [0, 10, 20, 30])
    np.testing.assert_allclose(image.timing.duration_s, [10, 10, 10, 10])
    for t in range(4):
        frame = image.store.frame(t)
        assert frame.mean(dtype=np.float64) == 8192 * t + 4095  # 16383 over all frames
        # The ramp grows by 512 from plane to plane of the file, which begins at the head.
        assert frame[0, 0, 0] - frame[1, 0, 0] == 512
        expected = np.sort(truth[f"frame_{t + 1}_pixel_data"].ravel())
        np.testing.assert_array_equal(np.sort(frame.ravel()), expected.astype(np.float32))
    assert image.injection is not None
    assert image.injection.radionuclide.name == "11C"
    assert image.injection.radionuclide.half_life_s == 1224.0
    assert series.kinetics_verdict is Verdict.CONFIRM
    assert {"dose-missing", "weight-missing", "orientation-unknown"} <= codes(series)


def test_that_the_first_voxel_of_the_file_lies_right_front_head(tmp_path):
    """SPM, dcm2niix, PET2BIDS and nibabel agree on this for head first, supine."""
    frames = np.zeros((3, 4, 5, 6), np.int16)
    frames[:, 0, 0, 0] = 1000
    image = image_of(read(written(tmp_path, stored=frames)))
    where = np.argwhere(image.store.frame(0) > 0)[0]
    # Half of (6 - 1) x 1.75, (5 - 1) x 2.5, (4 - 1) x 3.27 mm to the right, the front, the head.
    np.testing.assert_allclose(image.geometry.to_lps_mm(where), [-4.375, -5.0, 4.905], atol=1e-5)
    assert [image.geometry.axis_letters(axis)[1] for axis in range(3)] == ["H", "P", "L"]
    assert "orientation-unknown" not in codes(read(tmp_path / "pet.v"))


def test_that_nibabel_finds_the_same_value_at_every_place(tmp_path):
    path = written(tmp_path)
    image = image_of(read(path))
    with path.open("rb") as file:
        holder = nibabel.FileHolder(fileobj=file)
        other: Any = EcatImage.from_file_map({"header": holder, "image": holder})
        for t in range(3):
            values = other.get_frame(t)
            for index in np.ndindex(values.shape):
                ras = other.affine @ [*index, 1]
                place = image.geometry.nearest_index(ras[:3] * [-1, -1, 1])
                assert place is not None
                assert image.store.frame(t)[place] == pytest.approx(values[index], rel=1e-5)


def test_that_frames_stored_out_of_order_are_sorted_by_time(tmp_path):
    image = image_of(read(written(tmp_path, order=[2, 0, 1])))
    np.testing.assert_allclose(image.timing.start_s, START_S)
    for t, scale in enumerate(SCALE):
        expected = stored()[t].max() * scale * CALIBRATION
        assert image.store.frame(t).max() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("position", [0, 1, 2, 4, 5, 6, 7, 8])
def test_that_other_positions_of_the_patient_are_to_be_confirmed(position, tmp_path):
    series = read(written(tmp_path, patient_orientation=position))
    told = {one.code: one for one in series.findings}["orientation-unknown"]
    assert (told.suv, told.kinetics) == (Verdict.CONFIRM, Verdict.CONFIRM)
    assert ("feet first" in told.message) == (position in (0, 2, 4, 6))


def test_that_scale_calibration_and_unit_multiply(tmp_path):
    series = read(written(tmp_path, data_units=b"kBq/cc"))
    for t, scale in enumerate(SCALE):
        expected = stored()[t].max() * scale * CALIBRATION * 1000
        assert image_of(series).store.frame(t).max() == pytest.approx(expected, rel=1e-6)
    assert series.max_value == pytest.approx(stored()[2].max() * SCALE[2] * CALIBRATION)
    assert series.file_units == "kBq/cc"


def test_that_nanocurie_are_37_becquerel(tmp_path):
    image = image_of(read(written(tmp_path, data_units=b"nCi/ml")))
    expected = stored()[0].max() * SCALE[0] * CALIBRATION * 37
    assert image.store.frame(0).max() == pytest.approx(expected, rel=1e-6)


def test_that_floats_are_read(tmp_path):
    frames = (stored() / 3).astype(np.float32)
    image = image_of(read(written(tmp_path, stored=frames, scale=[1, 1, 1])))
    assert image.store.frame(1).max() == pytest.approx(frames[1].max() * CALIBRATION, rel=1e-6)


@pytest.mark.parametrize(
    "fields",
    [
        {"data_units": b""},
        {"data_units": b"ECAT counts/sec"},
        {"calibration_unitS": 0},
        {"ecat_calibration_factor": 0.0},
    ],
)
def test_that_values_without_a_unit_are_asked_for(fields, tmp_path):
    series = read(written(tmp_path, **fields))
    told = {one.code: one for one in series.findings}["units-unknown"]
    assert image_of(series).quantity == UNKNOWN
    assert told.fields == ("units",)
    assert series.kinetics_verdict is Verdict.REFUSED


def test_that_an_entered_unit_settles_it_and_tells_of_the_calibration(tmp_path):
    series = read(written(tmp_path, calibration_unitS=0), units="BQML")
    assert image_of(series).quantity == ACTIVITY
    assert "calibration-unsure" in codes(series)
    plain = written(tmp_path, calibration_unitS=0, ecat_calibration_factor=1.0)
    assert "calibration-unsure" not in codes(read(plain, units="BQML"))


def test_that_frames_count_from_the_injection_and_activity_refers_to_it(tmp_path):
    """Injected 1200 s before the scan, corrected to the scan start: back by 2 ** (1200 / T)."""
    series = read(written(tmp_path, dose_start_time=SCAN_START - 1200))
    image = image_of(series)
    np.testing.assert_allclose(image.timing.start_s, [1200, 1230, 1290])
    back = 2.0 ** (1200 / F18_S)
    expected = stored()[0].max() * SCALE[0] * CALIBRATION * back
    assert image.store.frame(0).max() == pytest.approx(expected, rel=1e-6)
    assert series.max_value == pytest.approx(stored()[2].max() * SCALE[2] * CALIBRATION)
    assert image.injection is not None
    assert (image.injection.tracer, image.injection.radionuclide.name) == ("FDG", "18F")
    assert series.kinetics_verdict is Verdict.READY


def test_that_suv_follows_from_weight_and_entered_dose(tmp_path):
    path = written(tmp_path, dose_start_time=SCAN_START - 1200)
    series = read(path, dose_bq=3.5e8)
    image = image_of(series)
    # science.md 6.2: weight in g / dose left at the reference of the file, here 1200 s later.
    expected = 70e3 / (3.5e8 * 2.0 ** (-1200 / F18_S))
    assert series.file_suv_factor_g_per_bq == pytest.approx(expected, rel=1e-6)
    suv = image.store.frame(0).max() * image.suv_factor
    assert suv == pytest.approx(stored()[0].max() * SCALE[0] * CALIBRATION * expected, rel=1e-5)


def test_that_a_dose_without_a_unit_is_not_used(tmp_path):
    series = read(written(tmp_path, dosage=3.5e8))
    told = {one.code: one for one in series.findings}["dose-missing"]
    assert "has no unit" in told.message
    assert series.suv_verdict is Verdict.REFUSED
    assert image_of(series).suv_scale is None


def test_that_uncorrected_frames_are_corrected_to_the_injection(tmp_path):
    sub = {"decay_corr_fctr": 1.0, "corrections_applied": UNCORRECTED_FOR_DECAY}
    image = image_of(read(written(tmp_path, sub=sub, dose_start_time=SCAN_START - 600)))
    expected = decay_factors(np.array(START_S) + 600, np.array(DURATION_S))
    for t, scale in enumerate(SCALE):
        value = stored()[t].max() * scale * CALIBRATION * expected[t]
        assert image.store.frame(t).max() == pytest.approx(value, rel=1e-5)
    assert expected[2] > 1.08


def test_that_factors_from_the_injection_are_not_applied_again(tmp_path):
    path = written(tmp_path, dose_start_time=SCAN_START - 600)
    data = bytearray(path.read_bytes())
    blocks = -(-stored()[0].nbytes // BLOCK) + 1
    for t, factor in enumerate(decay_factors(np.array(START_S) + 600, np.array(DURATION_S))):
        place = (2 + t * blocks) * BLOCK + subheader_offset("decay_corr_fctr")
        data[place : place + 4] = struct.pack(">f", factor)
    path.write_bytes(data)
    image = image_of(read(path))
    value = stored()[0].max() * SCALE[0] * CALIBRATION
    assert image.store.frame(0).max() == pytest.approx(value, rel=1e-5)


def subheader_offset(name: str) -> int:
    return nibabel.ecat.subhdr_dtype.fields[name][1]


@pytest.mark.parametrize(
    ("sub", "code"),
    [
        ({"decay_corr_fctr": 1.0}, "decay-correction-contradiction"),
        ({"decay_corr_fctr": 0.0}, "decay-correction-contradiction"),
        ({"corrections_applied": UNCORRECTED_FOR_DECAY}, "decay-correction-contradiction"),
        ({"corrections_applied": 0, "decay_corr_fctr": 1.0}, "decay-correction-unknown"),
    ],
)
def test_that_contradictions_about_decay_are_asked_for(sub, code, tmp_path):
    path = written(tmp_path, sub=sub)
    series = read(path)
    told = {one.code: one for one in series.findings}[code]
    assert told.fields == ("decay_correction",)
    assert series.kinetics_verdict is Verdict.REFUSED
    assert code not in codes(read(path, decay_correction="START"))


def test_that_decay_factors_that_do_not_fit_are_told(tmp_path):
    series = read(written(tmp_path, sub={"decay_corr_fctr": 1.3}))
    assert "decay-factor-differs" in codes(series)
    assert "decay-factor-differs" not in codes(read(written(tmp_path)))


def test_that_attenuation_must_be_corrected(tmp_path):
    series = read(written(tmp_path, sub={"corrections_applied": CORRECTED & ~0b110}))
    assert "not-attenuation-corrected" in codes(series)
    assert series.kinetics_verdict is Verdict.REFUSED
    assert "corrections-unknown" in codes(read(written(tmp_path, sub={"corrections_applied": 0})))


@pytest.mark.parametrize(
    ("dose_start", "code", "verdict"),
    [
        (0, "injection-time-missing", Verdict.REFUSED),
        (SCAN_START + 500_000, "injection-after-scan", Verdict.REFUSED),
        (SCAN_START + 20, "injection-after-start", Verdict.CONFIRM),
        (SCAN_START, "injection-is-series-start", Verdict.CONFIRM),
        (SCAN_START - 86_400, "injection-long-ago", Verdict.CONFIRM),
    ],
)
def test_that_odd_injection_times_are_told(dose_start, code, verdict, tmp_path):
    series = read(written(tmp_path, dose_start_time=dose_start))
    told = {one.code: one for one in series.findings}[code]
    assert told.kinetics is verdict
    assert "injection_time" in told.fields


def test_that_an_entered_injection_time_is_read_on_the_files_clock(tmp_path):
    """The scan of 1556622282 began at 11:04:42 UTC."""
    path = written(tmp_path, dose_start_time=0)
    series = read(path, injection_time="10:54:42")
    np.testing.assert_allclose(image_of(series).timing.start_s, [600, 630, 690])
    told = {one.code: one for one in series.findings}["injection-clock"]
    assert "11:04:42" in told.message
    assert "600 s before the scan" in told.message
    assert series.kinetics_verdict is Verdict.CONFIRM


def test_that_an_entered_frame_table_tells_the_injection_too(tmp_path):
    path = written(tmp_path, dose_start_time=0)
    entered = {"frame_start_s": "600,630,690", "frame_duration_s": "30,60,300"}
    series = read(path, **entered)
    expected = stored()[0].max() * SCALE[0] * CALIBRATION * 2.0 ** (600 / F18_S)
    assert image_of(series).store.frame(0).max() == pytest.approx(expected, rel=1e-6)
    assert series.kinetics_verdict is Verdict.READY


def test_that_frame_times_that_cannot_be_are_asked_for(tmp_path):
    series = read(written(tmp_path, start_s=[0.0, 0.0, 0.0]))
    told = {one.code: one for one in series.findings}["frame-times-unknown"]
    assert told.kinetics is Verdict.REFUSED
    assert told.fields == ("frame_start_s", "frame_duration_s")


def test_that_a_half_life_of_another_nuclide_is_told(tmp_path):
    series = read(written(tmp_path, isotope_halflife=109.8))
    assert "half-life-differs" in codes(series)
    by_name = image_of(read(written(tmp_path, isotope_halflife=0.0))).injection
    assert by_name is not None
    assert by_name.radionuclide.half_life_s == F18_S
    nothing = written(tmp_path, isotope_halflife=0.0, isotope_name=b"")
    assert "half-life-missing" in codes(read(nothing))


def test_that_the_patient_is_read_and_never_told(tmp_path):
    path = written(tmp_path, patient_height=175.0, patient_sex=b"F", patient_orientation=8)
    study = open_study(OpenRequest(path))
    assert study.patient.weight_kg == 70
    assert study.patient.height_m == 1.75
    assert (study.patient.name, study.patient.sex) == ("Zebra^Ida", "F")
    told = " ".join(finding.message for finding in study.series[0].findings)
    assert "Zebra" not in told
    assert "ID-47" not in told


def test_that_missing_frames_and_shifts_are_told(tmp_path):
    series = read(written(tmp_path, num_frames=5, sub={"x_offset": 0.4}))
    assert {"frames-missing", "position-centred"} <= codes(series)


def test_that_large_files_stay_on_disk_and_are_found_again(tmp_path):
    path = written(tmp_path)
    for _ in range(2):
        request = OpenRequest(path, {}, tmp_path / "cache", memory_limit_bytes=0)
        image = image_of(open_study(request).series[0])
        assert image.store.is_on_disk
        expected = stored()[1].max() * SCALE[1] * CALIBRATION
        assert image.store.frame(1).max() == pytest.approx(expected, rel=1e-6)
    assert len(list((tmp_path / "cache").glob("[!.]*"))) == 1


def test_that_an_entered_frame_table_is_compared_with_the_header(tmp_path):
    path = written(tmp_path)
    start_s = image_of(read(path)).timing.start_s
    for moved_s, is_told in ((0.9, False), (600.0, True)):
        table = ",".join(map(str, start_s + moved_s))
        series = read(path, frame_start_s=table, frame_duration_s="30,60,300")
        assert ("entered-times-differ" in codes(series)) is is_told
    early = read(path, frame_start_s="-900,-870,-810", frame_duration_s="30,60,300")
    assert "injection-after-scan" in codes(early)
    gap = read(path, frame_start_s="600,640,700", frame_duration_s="30,60,300")
    assert "frame-gaps" in codes(gap)


def test_that_an_ecat_frame_after_ten_half_lives_is_to_be_confirmed(tmp_path):
    assert "frames-after-decay" in codes(read(written(tmp_path, isotope_halflife=30.0)))
    assert "frames-after-decay" not in codes(read(written(tmp_path)))
