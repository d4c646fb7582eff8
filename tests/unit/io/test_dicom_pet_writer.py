"""Dynamic PET and CT series: what other programs read in them."""

from datetime import timedelta

import numpy as np
import pydicom
import pytest
from tests.helpers.results import (
    INJECTED,
    PATIENT,
    converted_by_dcm2niix,
    converted_by_plastimatch,
    dciodvfy_errors,
    dynamic_image,
    header,
    oblique_geometry,
    sampled_at,
    slice_tolerance,
)

from kiview.core.errors import ExportError, MissingInformationError
from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage
from kiview.core.progress import CallbackProgress, Cancelled, NullProgress
from kiview.core.study import PatientInfo
from kiview.core.timing import FrameTiming
from kiview.core.tracer import Injection, Radionuclide
from kiview.core.units import SUV_BW
from kiview.io.dicom_common import SeriesText, made_up_header
from kiview.io.dicom_ct_writer import write_ct
from kiview.io.dicom_pet_writer import Acquisition, DecayReference, write_dynamic_pet

HALF_LIFE_S = 6586.2
FRAMES, SLICES = 4, 5


def write(folder, image, reference=DecayReference.START, progress=None):
    acquisition = Acquisition(
        header=header(),
        injection_time=INJECTED,
        reference=reference,
        text=SeriesText(description="Dynamic", number=3),
    )
    return write_dynamic_pet(folder, image, acquisition, progress or NullProgress())


def read(paths):
    """Values (t, z, y, x) and the data sets."""
    sets = [pydicom.dcmread(path) for path in paths]
    values = [d.pixel_array * float(d.RescaleSlope) + float(d.RescaleIntercept) for d in sets]
    shape = (FRAMES, SLICES, *values[0].shape)
    return np.reshape(values, shape), [sets[t * SLICES : (t + 1) * SLICES] for t in range(FRAMES)]


def flat(sets):
    return [one for frame in sets for one in frame]


def test_that_every_frame_is_written_with_its_values_decayed_to_the_scan_start(tmp_path):
    image = dynamic_image()
    values, sets = read(write(tmp_path, image))
    truth = image.store.slab(0, SLICES) * 2.0 ** (-30.0 / HALF_LIFE_S)
    assert (np.abs(values - truth) <= slice_tolerance(truth)).all()
    assert {d.DecayCorrection for d in flat(sets)} == {"START"}
    assert {d.NumberOfTimeSlices for d in flat(sets)} == {FRAMES}
    assert [d.ImageIndex for d in flat(sets)] == list(range(1, FRAMES * SLICES + 1))


def test_that_values_corrected_to_injection_stay_as_they_are(tmp_path):
    image = dynamic_image()
    values, sets = read(write(tmp_path, image, DecayReference.ADMIN))
    truth = image.store.slab(0, SLICES)
    assert (np.abs(values - truth) <= slice_tolerance(truth)).all()
    assert {d.DecayCorrection for d in flat(sets)} == {"ADMIN"}


def test_that_frame_times_are_told_three_ways_that_agree(tmp_path):
    _, sets = read(write(tmp_path, dynamic_image()))
    decay = np.log(2) / HALF_LIFE_S
    for t, (start, duration) in enumerate(((30, 60), (90, 180), (270, 300), (570, 600))):
        slice_ = sets[t][0]
        began = INJECTED + timedelta(seconds=start)
        assert slice_.AcquisitionDate + slice_.AcquisitionTime == f"{began:%Y%m%d%H%M%S.%f}"
        assert slice_.ActualFrameDuration == duration * 1000
        share = decay * duration
        average = np.log(share / (1 - np.exp(-share))) / decay
        assert float(slice_.FrameReferenceTime) == pytest.approx(1000 * (start - 30 + average))
        factor = np.exp(decay * (start - 30)) * share / (1 - np.exp(-share))
        assert float(slice_.DecayFactor) == pytest.approx(factor, rel=1e-9)
    assert sets[0][0].SeriesTime == "235900.000000"
    assert sets[3][0].AcquisitionDate == "20260106"  # the scan runs past midnight


def test_that_times_per_slice_are_kept(tmp_path):
    image = dynamic_image()
    start = np.array([30.0, 90.0, 270.0, 570.0])[:, None] + 7.5 * np.arange(SLICES)
    late = DynamicImage(
        image.store,
        image.geometry,
        FrameTiming(start, np.full(start.shape, 45.0)),
        image.quantity,
        image.injection,
    )
    _, sets = read(write(tmp_path, late))
    assert sets[1][4].AcquisitionTime == "000030.000000"
    assert sets[1][0].AcquisitionTime == "000000.000000"


def test_that_the_dose_and_the_patient_are_in_every_file(tmp_path):
    _, sets = read(write(tmp_path, dynamic_image()))
    dose = sets[2][3].RadiopharmaceuticalInformationSequence[0]
    assert float(dose.RadionuclideTotalDose) == 3.7e8
    assert float(dose.RadionuclideHalfLife) == HALF_LIFE_S
    assert dose.RadiopharmaceuticalStartDateTime == "20260105235830.000000"
    assert float(sets[2][3].PatientWeight) == PATIENT.weight_kg
    assert {d.FrameOfReferenceUID for d in flat(sets)} == {
        oblique_geometry().frame_of_reference_uid
    }
    assert len({d.SOPInstanceUID for d in flat(sets)}) == FRAMES * SLICES


@pytest.mark.parametrize("reference", DecayReference)
def test_that_the_checker_finds_no_error_in_dynamic_pet(tmp_path, reference):
    paths = write(tmp_path, dynamic_image(), reference)
    assert dciodvfy_errors(paths[7]) == []


def test_that_dcm2niix_reads_the_frames_at_the_same_place(tmp_path):
    image = dynamic_image()
    (tmp_path / "pet").mkdir()
    write(tmp_path / "pet", image, DecayReference.ADMIN)
    found = sampled_at(converted_by_dcm2niix(tmp_path / "pet", tmp_path / "nii"), image.geometry)
    truth = image.store.slab(0, SLICES)
    assert (np.abs(found - truth) <= slice_tolerance(truth) + 1e-6 * truth).all()


def test_that_an_image_without_injection_or_in_suv_is_refused(tmp_path):
    image = dynamic_image()
    nameless = DynamicImage(image.store, image.geometry, image.timing, image.quantity)
    with pytest.raises(MissingInformationError, match="injection"):
        write(tmp_path, nameless)
    suv = DynamicImage(image.store, image.geometry, image.timing, SUV_BW, image.injection)
    with pytest.raises(ExportError, match="Bq/mL"):
        write(tmp_path, suv)


def test_that_rows_and_columns_that_are_not_at_right_angles_are_refused(tmp_path):
    affine = oblique_geometry().affine_lps_mm.copy()
    affine[:3, 2] += 0.1 * affine[:3, 1]
    with pytest.raises(ExportError, match="right angles"):
        write(tmp_path, dynamic_image(VolumeGeometry((5, 8, 11), affine)))


def test_that_a_stop_request_stops_the_writing(tmp_path):
    with pytest.raises(Cancelled):
        write(tmp_path, dynamic_image(), progress=CallbackProgress(print, lambda: True))
    assert list(tmp_path.iterdir()) == []


def test_that_a_ct_is_read_back_in_hounsfield_units_at_the_same_place(tmp_path):
    geometry = oblique_geometry()
    hu = np.linspace(-1024, 3071, 5 * 8 * 11).reshape(geometry.shape_zyx).round()
    (tmp_path / "ct").mkdir()
    paths = write_ct(
        tmp_path / "ct", hu, geometry, header(), SeriesText(description="CT", number=2)
    )
    assert dciodvfy_errors(paths[2]) == []
    found = sampled_at(converted_by_plastimatch(tmp_path / "ct", tmp_path / "ct.nii.gz"), geometry)
    np.testing.assert_array_equal(found, hu)


def test_that_a_description_too_long_for_dicom_is_refused():
    with pytest.raises(ExportError, match="64 characters"):
        SeriesText(description="x" * 65, number=1)


def test_that_an_unknown_dose_and_nuclide_stay_unknown(tmp_path):
    image = dynamic_image()
    nameless = DynamicImage(
        image.store,
        image.geometry,
        image.timing,
        image.quantity,
        Injection(Radionuclide("", 1223.4)),
    )
    slice_ = pydicom.dcmread(write(tmp_path, nameless)[0])
    dose = slice_.RadiopharmaceuticalInformationSequence[0]
    assert "RadionuclideTotalDose" not in dose
    assert "RadionuclidePositronFraction" not in dose
    assert len(dose.RadionuclideCodeSequence) == 0
    assert float(dose.RadionuclideHalfLife) == 1223.4


def test_that_a_ct_without_a_clock_is_sound_too(tmp_path):
    geometry = oblique_geometry()
    nameless = made_up_header(PatientInfo())
    text = SeriesText(description="CT", number=2)
    paths = write_ct(tmp_path, np.zeros(geometry.shape_zyx), geometry, nameless, text)
    assert dciodvfy_errors(paths[0]) == []
    assert "SeriesDate" not in pydicom.dcmread(paths[0])
