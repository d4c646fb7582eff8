"""What real ECAT, NIfTI and blood files look like, one test for each oddity that was met."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from tests.helpers.ecat_factory import SCAN_START, write_ecat
from tests.helpers.header_series import codes, frame_mean

from kiview.core.errors import InvalidInputError, ReadError
from kiview.io.bids_sidecar import Sidecar, dose_of, frame_table
from kiview.io.curve_files import read_input_function
from kiview.io.overrides import UserGiven
from kiview.jobs.open_study import OpenRequest, open_study


def test_that_ecat_times_are_milliseconds_and_sizes_centimetres(tmp_path):
    path = write_ecat(
        tmp_path / "pet.v", np.ones((2, 3, 4, 5), np.int16), [0.0, 30.0], [30.0, 60.0],
        dose_start_time=SCAN_START - 600,
    )  # fmt: skip
    image = open_study(OpenRequest(path)).series[0].image
    np.testing.assert_allclose(image.timing.start_s, [600, 630])
    np.testing.assert_allclose(image.timing.duration_s, [30, 60])
    np.testing.assert_allclose(image.geometry.spacing_zyx_mm, [3.27, 2.5, 1.75], rtol=1e-6)


def test_that_ecat_values_are_stored_times_scale_times_calibration(tmp_path):
    path = write_ecat(
        tmp_path / "pet.v", np.full((2, 3, 4, 5), 200, np.int16), [0.0, 30.0], [30.0, 60.0],
        scale=[0.5, 0.25], ecat_calibration_factor=4.0,
    )  # fmt: skip
    image = open_study(OpenRequest(path)).series[0].image
    np.testing.assert_allclose([image.store.frame(t).max() for t in (0, 1)], [400, 200])


def test_that_an_ecat_injection_after_the_scan_start_is_to_be_confirmed(tmp_path):
    path = write_ecat(
        tmp_path / "pet.v", np.ones((2, 3, 4, 5), np.int16), [0.0, 30.0], [30.0, 60.0],
        dose_start_time=SCAN_START + 20,
    )  # fmt: skip
    series = open_study(OpenRequest(path)).series[0]
    assert "injection-after-start" in codes(series)
    np.testing.assert_allclose(series.image.timing.start_s, [-20, 10])


SIDECAR = {
    "FrameTimesStart": [0, 10, 20],
    "FrameDuration": [10, 10, 10],
    "InjectionStart": 0,
    "Units": "Bq/mL",
}


def test_that_the_frame_time_of_a_nifti_is_that_of_its_sidecar(tmp_path):
    """pet001 says 330000 'msec' in pixdim[4], dcm2niix 1 s; only the sidecar counts."""
    image = nibabel.Nifti1Image(np.ones((3, 3, 3, 3), np.float32), np.eye(4))
    image.header["pixdim"][4] = 330000.0
    nibabel.save(image, tmp_path / "pet.nii")
    (tmp_path / "pet.json").write_text(json.dumps(SIDECAR), encoding="utf-8")
    timing = open_study(OpenRequest(tmp_path / "pet.nii")).series[0].image.timing
    np.testing.assert_allclose(timing.start_s, [0, 10, 20])
    (tmp_path / "pet.json").unlink()
    assert "frame-times-unknown" in codes(open_study(OpenRequest(tmp_path / "pet.nii")).series[0])


def test_that_a_list_of_ends_is_not_taken_for_durations():
    """pet001, pet003: FrameDuration 10, 20, 30 ... beside starts 0, 10, 20."""
    ends = Sidecar("pet.json", SIDECAR | {"FrameDuration": [10, 20, 30]})
    with pytest.raises(InvalidInputError, match="frame ends under FrameDuration"):
        frame_table(ends)


def test_that_another_number_of_frames_than_the_image_has_is_refused():
    """21 frames in the image, 45 in the sidecar."""
    with pytest.raises(InvalidInputError, match="3 frames but the image has 2"):
        frame_table(Sidecar("pet.json", SIDECAR), 2)


@pytest.mark.parametrize(
    ("unit", "dose_bq"), [("MBq", 222.264e6), ("kBq", 222264.0), ("Bq", 222.264), ("", None)]
)
def test_that_a_dose_without_a_unit_is_not_guessed_at(unit, dose_bq):
    """ds002898: 222.264 and no unit."""
    told = dose_of(
        Sidecar("x", {"InjectedRadioactivity": 222.264, "InjectedRadioactivityUnits": unit}),
        UserGiven(),
    )
    assert told.dose_bq == (None if dose_bq is None else pytest.approx(dose_bq))
    missing = [one for one in told.findings if one.code == "dose-missing"]
    assert bool(missing) == (dose_bq is None)


@pytest.mark.parametrize("name", ["DecayFactor", "DecayCorrectionFactor"])
def test_that_either_name_of_the_decay_factors_tells_where_frames_count_from(name):
    """Frames counted from the scan start, 60 s after TimeZero: the first factor shows it."""
    factors = frame_mean(60.0 + np.arange(3) * 300.0, 300.0).tolist()
    fields = {
        "FrameTimesStart": [0, 300, 600], "FrameDuration": [300] * 3, "ScanStart": 60,
        "InjectionStart": 0, "TracerRadionuclide": "F18", name: factors,
    }  # fmt: skip
    times = frame_table(Sidecar("x", fields))
    np.testing.assert_allclose(times.timing.start_s, [60, 360, 660])
    alone = frame_table(Sidecar("x", fields | {name: factors[:1]}))
    np.testing.assert_allclose(alone.timing.start_s, [0, 300, 600])
    assert [one.code for one in alone.findings] == ["scan-start-differs"]


@pytest.fixture
def blood(tmp_path: Path):
    def write(text, name="blood.tsv", sidecar=None):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        if sidecar is not None:
            path.with_suffix(".json").write_text(json.dumps(sidecar), encoding="utf-8")
        return path

    return write


def test_that_clock_times_and_counts_are_refused_with_their_place(blood):
    """ds003397: hh:mm:ss instead of seconds, CPM instead of Bq/mL."""
    with pytest.raises(ReadError, match="Column CPM holds counts") as caught:
        read_input_function(blood("SampleTime\tCPM\n12:12:30\t31\n"))
    assert "clock times (12:12:30 in row 2)" in str(caught.value)


def test_that_a_missing_first_time_is_told(blood):
    with pytest.raises(InvalidInputError, match="not a number"):
        read_input_function(blood("time\tplasma_radioactivity\nn/a\t1\n10\t2\n20\t3\n"))


def test_that_negative_activities_before_the_bolus_are_kept(blood):
    """kinfitr: background subtraction leaves values below zero."""
    curve = read_input_function(blood("time\tplasma_radioactivity\n0\t-2\n10\t-1\n20\t300\n"))
    np.testing.assert_allclose(curve.at([0, 10, 20]), [-2, -1, 300])


def test_that_a_point_is_a_missing_value_of_turku_files(blood):
    text = "DFT1\tPlasma\nut1\t.\nBq/cc\t.\nTime (sec)\t.\n0\t0\n10\t.\n20\t40\n"
    curve = read_input_function(blood(text, "x.dft"))
    assert float(curve.at(10.0)) == 20.0
    assert any("1 rows without an activity" in told for told in curve.findings)


def test_that_lines_before_the_table_and_units_in_titles_are_understood(blood):
    text = (
        "# PMOD_VOI_STATISTICS\n# PATIENT x\n# DATA\n"
        "// VoiName(Region) [string]\tTime [minutes]\tAveraged [kBq/cc]\n"
        "Aorta\t1\t2.5\nAorta\t2\t5\n"
    )
    curve = read_input_function(blood(text, "x.voistat"))
    np.testing.assert_allclose(curve.at([60.0, 120.0]), [2500.0, 5000.0])
