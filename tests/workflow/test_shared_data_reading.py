"""What real files of others must read as (`shared/data/README.md` gives the numbers)."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.helpers.real_headers import DATA
from tests.helpers.shared_data import require_shared_data

from kiview.core.errors import KiviewError
from kiview.core.geometry import VolumeGeometry
from kiview.core.progress import NullProgress
from kiview.core.roi import RoiMask
from kiview.core.study import Series, SeriesKind, Study, Verdict
from kiview.core.units import SUV_BW, UNKNOWN
from kiview.io.bids_sidecar import frame_table, read_sidecar
from kiview.jobs.open_study import OpenRequest, open_study
from kiview.jobs.regions import choose_region, read_regions

MASKED = {
    "STS_001": (5095, 7.91067, 2.55513),
    "STS_002": (555, 21.67575, 7.36962),
    "STS_004": (5962, 5.36743, 1.35752),
    "STS_009": (20222, 26.11578, 4.57039),
    "STS_017": (14910, 24.57751, 5.37009),
}


def pet_of(study: Study) -> Series:
    series = study.main_series
    assert series is not None
    assert series.image is not None
    return series


def one_region(path: Path, geometry: VolumeGeometry, name: str = "") -> RoiMask:
    return choose_region(read_regions(path, geometry, NullProgress()), name)


def suv(series: Series) -> NDArray[np.float32]:
    assert series.image is not None
    assert series.image.suv_factor is not None
    return series.image.store.frame(0) * np.float32(series.image.suv_factor)


@pytest.fixture(scope="module")
def whole_body() -> Series:
    return pet_of(open_study(OpenRequest(require_shared_data("mirp-sts001-raw"))))


def test_that_six_beds_are_one_volume_of_267_slices(whole_body: Series) -> None:
    assert whole_body.kind is SeriesKind.STATIC
    assert whole_body.image is not None
    assert whole_body.image.store.shape_tzyx == (1, 267, 128, 128)
    assert whole_body.image.timing.start_s.min() == pytest.approx(2711.0)
    assert whole_body.image.timing.start_s.max() == pytest.approx(2711.0 + 1215.0)


def test_that_the_whole_body_has_its_published_activity_and_suv(whole_body: Series) -> None:
    assert whole_body.max_value == pytest.approx(273860.36, abs=0.01)
    assert whole_body.file_suv_factor_g_per_bq == pytest.approx(2.429029766e-4, rel=1e-9)
    assert float(suv(whole_body).max()) == pytest.approx(66.5215, abs=1e-4)
    assert whole_body.suv_verdict is Verdict.READY


def test_that_cropped_suv_slices_equal_the_whole_body(whole_body: Series) -> None:
    cropped = pet_of(open_study(OpenRequest(require_shared_data("ibsi-sts/dicom/STS_001/PET"))))
    assert cropped.image is not None
    assert whole_body.image is not None
    assert cropped.image.quantity == SUV_BW
    whole, part = suv(whole_body), suv(cropped)
    corner = cropped.image.geometry.to_lps_mm([0, 0, 0])
    z, y, x = np.rint(whole_body.image.geometry.to_index(corner)).astype(int)
    depth, rows, columns = part.shape
    same = whole[z : z + depth, y : y + rows, x : x + columns]
    assert same.shape == (59, 43, 41)
    assert np.abs(same - part).max() < 1e-3


@pytest.mark.parametrize("patient", MASKED)
def test_that_suv_inside_the_published_masks_is_the_published_one(patient: str) -> None:
    root = require_shared_data("ibsi-sts")
    series = pet_of(open_study(OpenRequest(root / "dicom" / patient / "PET")))
    assert series.image is not None
    mask_path = root / "nifti" / patient / "PET_mask.nii.gz"
    mask = one_region(mask_path, series.image.geometry)
    inside = suv(series)[mask.inside]
    count, largest, mean = MASKED[patient]
    assert mask.voxel_count == count
    assert float(inside.max()) == pytest.approx(largest, abs=2e-5)
    assert float(inside.mean(dtype=np.float64)) == pytest.approx(mean, abs=2e-5)


@pytest.mark.parametrize("patient", MASKED)
def test_that_dicom_and_nifti_agree_on_values_and_on_where_left_is(patient: str) -> None:
    root = require_shared_data("ibsi-sts")
    dicom = pet_of(open_study(OpenRequest(root / "dicom" / patient / "PET"))).image
    path = root / "nifti" / patient / "PET_image.nii.gz"
    nifti = open_study(OpenRequest(path)).series[0].image
    assert dicom is not None
    assert nifti is not None
    assert nifti.geometry.matches(dicom.geometry, tolerance_mm=0.2)
    assert np.abs(dicom.store.frame(0) - nifti.store.frame(0)).max() < 2e-5


def test_that_a_small_copy_of_a_patient_tells_the_same_truth() -> None:
    root = DATA / "ibsi-sts"
    series = pet_of(open_study(OpenRequest(root / "dicom" / "STS_002")))
    assert series.image is not None
    mask = one_region(root / "nifti" / "STS_002" / "PET_mask.nii.gz", series.image.geometry)
    inside = suv(series)[mask.inside]
    count, largest, mean = MASKED["STS_002"]
    assert mask.voxel_count == count
    assert float(inside.max()) == pytest.approx(largest, abs=2e-5)
    assert float(inside.mean(dtype=np.float64)) == pytest.approx(mean, abs=2e-5)


def test_that_slices_at_a_bed_joint_are_one_volume_with_two_times() -> None:
    series = pet_of(open_study(OpenRequest(DATA / "mirp-sts001-raw")))
    assert series.image is not None
    assert series.image.store.shape_tzyx == (1, 10, 128, 128)
    assert np.unique(series.image.timing.start_s).tolist() == pytest.approx([2711.0, 2954.0])
    assert series.file_suv_factor_g_per_bq == pytest.approx(2.429029766e-4, rel=1e-9)


def check_phantom(study: Study, slices: int) -> None:
    series = pet_of(study)
    assert series.image is not None
    assert series.image.store.shape_tzyx == (1, slices, 192, 192)
    assert series.max_value == pytest.approx(38127.427, abs=1e-3)
    assert series.image.quantity == UNKNOWN
    assert series.image.suv_factor is None
    assert series.suv_verdict is Verdict.REFUSED
    assert {"units-unknown", "frame-times-unknown"} <= {one.code for one in series.findings}


def test_that_an_unsigned_monochrome1_phantom_loads_without_suv() -> None:
    study = open_study(OpenRequest(require_shared_data("pynemaiqpet")))
    check_phantom(study, 89)
    image = pet_of(study).image
    assert image is not None
    assert float(image.store.frame(0).mean(dtype=np.float64)) == pytest.approx(423.0252, abs=1e-3)
    ends = [image.geometry.to_lps_mm([z, 0, 0])[2] for z in (0, 88)]
    assert ends == pytest.approx([-122.32, 122.32], abs=0.01)


def test_that_three_slices_of_the_phantom_load_too() -> None:
    check_phantom(open_study(OpenRequest(DATA / "pynemaiqpet")), 3)


SIDECARS = {
    "openneuro-ds004869/sub-01_ses-baseline_pet.json": (33, 0.0, 7200.0),
    "openneuro-ds004230/sub-PS11_ses-baseline_pet.json": (33, 2.0, 7202.0),
    "openneuro-ds004230/sub-PS11_ses-rescan_pet.json": (33, 1.0, 7201.0),
    "openneuro-ds002898/sub-01_task-rest_pet.json": (356, -33.0, 356 * 16 - 33.0),
}


@pytest.mark.parametrize("name", SIDECARS)
def test_that_frame_tables_of_real_sidecars_are_contiguous(name: str) -> None:
    times = frame_table(read_sidecar(DATA / name))
    count, first, last = SIDECARS[name]
    assert times.timing.frame_count == count
    assert times.timing.is_contiguous()
    assert times.timing.start_s[0] == pytest.approx(first)
    assert times.timing.end_s[-1] == pytest.approx(last)


def refusal(path: Path) -> str:
    with pytest.raises(KiviewError) as caught:
        open_study(OpenRequest(path))
    return str(caught.value)


def test_that_a_sidecar_with_ends_as_durations_is_refused_with_both_reasons() -> None:
    text = refusal(DATA / "bids-examples" / "sub-01_ses-01_trc-CIMBI36_pet.nii.gz")
    assert "45 frames but the image has 21" in text
    assert "frame ends under FrameDuration" in text


def test_that_a_web_page_in_place_of_an_image_is_called_so() -> None:
    folder = require_shared_data("bids-examples/pet003")
    assert "web page" in refusal(folder)


def test_that_the_brain_template_lies_as_nibabel_says() -> None:
    path = require_shared_data("magia-template") / "[18f]fdg.nii"
    image = open_study(OpenRequest(path)).series[0].image
    assert image is not None
    reference = nibabel.load(path)
    assert image.geometry.axis_letters(2) == ("R", "L")
    for x, y, z in [(10, 90, 40), (100, 20, 70)]:
        ras = reference.affine @ [x, y, z, 1.0]
        lps = ras[:3] * [-1, -1, 1]
        index = image.geometry.nearest_index(lps)
        assert index == (z, y, x)
        assert image.store.frame(0)[index] == pytest.approx(reference.dataobj[x, y, z], rel=1e-6)


def test_that_an_organ_mask_keeps_its_voxels() -> None:
    root = require_shared_data("totalsegmentator")
    ct = open_study(OpenRequest(root / "example_ct_sm.nii.gz")).series[0].image
    assert ct is not None
    labels = one_region(root / "example_seg_fast.nii.gz", ct.geometry, "example_seg_fast 52")
    aorta = one_region(root / "example_seg_fast" / "aorta.nii.gz", ct.geometry)
    assert aorta.voxel_count == 1174
    assert (labels.inside == aorta.inside).all()
