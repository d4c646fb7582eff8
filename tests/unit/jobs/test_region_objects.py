"""Structures of a study as regions: found, placed, read, and saved so that they read back."""

import json
import shutil

import nibabel
import numpy as np
import pydicom
import pytest
from tests.helpers.cli_study import write_cli_study
from tests.helpers.region_objects import circle, rectangle, write_structure_set
from tests.helpers.results import dciodvfy_errors, oblique_geometry
from tests.helpers.shared_data import require_shared_data

from kiview.core.errors import ExportError, InvalidInputError, ReadError
from kiview.core.geometry import VolumeGeometry
from kiview.core.progress import CallbackProgress, Cancelled, NullProgress
from kiview.core.roi import Roi
from kiview.core.roi_shapes import PolygonStack, Sphere
from kiview.core.roi_voxels import VoxelSet
from kiview.core.study import Verdict
from kiview.core.tac import extract
from kiview.jobs.open_study import OpenRequest, open_study
from kiview.jobs.region_objects import (
    StructuresRequest,
    list_region_object,
    position_problem,
    read_structures,
)
from kiview.jobs.regions import RegionFile, choose_region, read_regions
from kiview.jobs.save_regions import SaveRegionsRequest, save_regions
from kiview.jobs.study_info import study_info

PUBLISHED = {"STS_001": 5095, "STS_002": 555, "STS_004": 5962, "STS_009": 20222, "STS_017": 14910}
"""Voxels in the masks of the data set."""
HIGHEST = {
    "STS_001": 7.91067,
    "STS_002": 21.67575,
    "STS_004": 5.36743,
    "STS_009": 26.11578,
    "STS_017": 24.57751,
}
"""SUVmax in them."""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_cli_study(tmp_path_factory.mktemp("cli"))


@pytest.fixture(scope="module")
def study(written):
    return open_study(OpenRequest(written.folder))


def image_of(study):
    return study.main_series.image


def source_of(written):
    return pydicom.dcmread(next(iter(sorted(written.folder.iterdir()))), stop_before_pixels=True)


def masks_of(path, geometry, **options):
    return read_regions(RegionFile(path, **options), geometry, NullProgress())


def saved(path, study, rois, **options):
    request = SaveRegionsRequest(
        path=path,
        rois=rois,
        geometry=image_of(study).geometry,
        patient=study.patient,
        source_files=study.main_series.source_files,
        **options,
    )
    return save_regions(request, NullProgress())


def two_balls(geometry):
    """Two regions that overlap, one of them read from elsewhere."""
    first, second = geometry.to_lps_mm([2, 8, 8]), geometry.to_lps_mm([3, 8, 10])
    return (
        Roi("a", "Aorta", "#c83214", Sphere(tuple(first), 9.0)),
        Roi("b", "Liver", "#14c832", Sphere(tuple(second), 7.0), origin="RT structure set 1.2"),
    )


# Real structure sets


@pytest.mark.parametrize("name", PUBLISHED)
def test_that_real_structure_sets_hold_the_voxels_of_the_published_masks(name):
    root = require_shared_data(f"ibsi-sts/dicom/{name}/PET")
    study = open_study(OpenRequest(root))
    (listed,) = study.region_objects
    assert [one.name for one in listed.structures] == ["GTV_Mass_PET"]
    geometry = image_of(study).geometry
    (mask,) = masks_of(root / "mask" / "RS.dcm", geometry)
    file = require_shared_data(f"ibsi-sts/nifti/{name}/PET_mask.nii.gz")
    (published,) = masks_of(file, geometry)
    assert mask.voxel_count == PUBLISHED[name]
    np.testing.assert_array_equal(mask.inside, published.inside)
    curves = [extract(image_of(study), one) for one in (mask, published)]
    np.testing.assert_array_equal(curves[0].mean, curves[1].mean)
    assert study.main_series.suv_verdict is Verdict.READY  # also where the injection is dated late
    highest = image_of(study).store.frame(0)[mask.inside].max()
    assert highest == pytest.approx(HIGHEST[name], abs=5e-6)


def test_that_a_real_tumour_lies_within_its_oedema():
    root = require_shared_data("mirp-sts001-raw")
    study = open_study(OpenRequest(root))
    (listed,) = study.region_objects
    assert [one.name for one in listed.structures] == ["GTV_Mass", "GTV_Edema"]
    mass, oedema = masks_of(next(root.rglob("mask/*.dcm")), image_of(study).geometry)
    # The same contours as in the cropped set, but on voxels of 5.47 instead of 4.69 mm.
    assert mass.volume_ml == pytest.approx(5095 * 4.6875**2 * 3.27 / 1000, rel=0.02)
    assert oedema.inside[mass.inside].mean() > 0.95


# Found in a study


def test_that_objects_of_the_patient_are_listed_and_those_of_others_are_not(written, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(written.folder, folder)
    source = source_of(written)
    write_structure_set(folder / "RS.dcm", {"Aorta": [circle(5, 0)]}, source)
    write_structure_set(folder / "other.dcm", {"Bladder": [circle(5, 0)]})
    broken = write_structure_set(folder / "broken.dcm", {"A": [circle(5, 0)]}, source)

    def double(dataset):
        dataset.StructureSetROISequence.append(dataset.StructureSetROISequence[0])

    write_structure_set(broken, {"A": [circle(5, 0)]}, source, change=double)
    write_structure_set(folder / "empty.dcm", {}, source)
    study = open_study(OpenRequest(folder))
    (listed,) = study.region_objects
    assert listed.path == str(folder / "RS.dcm")
    reasons = {path.rpartition("/")[2]: reason for path, reason in study.unused_files}
    assert "another patient" in reasons["other.dcm"]
    assert "same number for several" in reasons["broken.dcm"]
    assert reasons["empty.dcm"] == "RT structure set, no image"
    assert "RS.dcm" not in reasons
    (entry,) = [one for one in study_info(study)["series"] if one["structures"]]
    assert (entry["kind"], entry["modality"]) == ("other", "RTSTRUCT")
    assert entry["structures"] == [{"number": 1, "name": "Aorta"}]
    assert study_info(study)["series"][0]["structures"] == []


# Frame of reference


def test_that_another_frame_of_reference_is_refused_unless_trusted(study, tmp_path):
    geometry = image_of(study).geometry
    centre = geometry.to_lps_mm([2, 8, 8])
    contours = [circle(9.0, centre[2] + k, centre[:2]) for k in (-2.0, 0.0, 2.0)]
    path = write_structure_set(tmp_path / "RS.dcm", {"A": contours}, frame_of_reference="9.9")
    with pytest.raises(InvalidInputError, match=r"another frame of reference.*--trust-position"):
        masks_of(path, geometry)
    listed = list_region_object(path)
    with pytest.raises(InvalidInputError, match="another frame of reference"):
        read_structures(StructuresRequest(listed, (1,), geometry), NullProgress())
    read = read_structures(StructuresRequest(listed, (1,), geometry, True), NullProgress())
    assert "read all the same" in read.findings[0]


def test_that_an_unknown_frame_of_reference_is_no_match(tmp_path):
    path = write_structure_set(tmp_path / "RS.dcm", {"A": [circle(5, 0)]}, frame_of_reference="1.2")
    structures = list_region_object(path).structures
    same = VolumeGeometry((2, 2, 2), np.eye(4), "1.2")
    assert position_problem(structures, same) == ""
    unknown = position_problem(structures, VolumeGeometry((2, 2, 2), np.eye(4)))
    assert "do not say" in unknown


# Reading


@pytest.fixture
def axial(tmp_path):
    """A grid, and a structure set of five structures on it."""
    affine = np.array([[0, 0, 2.0, -41], [0, 2.0, 0, -41], [3.0, 0, 0, 0], [0, 0, 0, 1]])
    geometry = VolumeGeometry((12, 40, 40), affine, "1.2.3")
    box = [rectangle((-10, 10), (-20, 20), 3.0 * k) for k in (3, 4, 5)]
    ring = [c for k in (3, 4) for c in (circle(20, 3.0 * k), circle(8, 3.0 * k))]
    gap = [rectangle((-10, 10), (-20, 20), 3.0 * k) for k in (2, 3, 7)]
    away = [circle(20, 900.0)]
    line = np.array([[0.0, 0, 9], [5, 5, 9], [10, 10, 9]])
    path = write_structure_set(
        tmp_path / "RS.dcm",
        {"Box": box, "Ring": ring, "Gap": [*gap, line], "Away": away, "Line": [line]},
    )
    return geometry, path


def test_that_structures_come_with_name_colour_origin_and_what_was_left_out(axial):
    geometry, path = axial
    listed = list_region_object(path)
    read = read_structures(StructuresRequest(listed, (1, 2, 3, 4, 5), geometry), NullProgress())
    assert [roi.name for roi in read.rois] == ["Box", "Ring", "Gap"]
    assert [roi.colour for roi in read.rois] == ["#ff0000", "#00c850", "#285aff"]
    kinds = [PolygonStack, VoxelSet, VoxelSet]
    assert [type(roi.shape) for roi in read.rois] == kinds
    uid = listed.uid
    assert read.rois[0].origin == (
        f"RT structure set {uid}, structure 1, even-odd contours as polygons"
    )
    assert read.rois[1].origin.endswith("structure 2, even-odd contours as voxels of the image")
    told = " ".join(read.findings)
    assert "1 contours of Gap enclose no area" in told
    assert "The contours of Gap skip slices at 1 places" in told
    assert "Away was not read: No voxel centre of the image lies inside it." in told
    assert "Line was not read: None of its contours encloses an area." in told
    box = read.rois[0].rasterise(geometry)
    assert box.volume_ml == pytest.approx(2.0 * 4.0 * 0.9)


def test_that_nothing_readable_is_an_error_with_the_reason(axial):
    geometry, path = axial
    request = StructuresRequest(list_region_object(path), (4,), geometry)
    with pytest.raises(ReadError, match="Away was not read: No voxel centre"):
        read_structures(request, NullProgress())
    with pytest.raises(InvalidInputError, match="Choose at least one"):
        read_structures(StructuresRequest(list_region_object(path), (), geometry), NullProgress())


def test_that_reading_can_be_stopped(axial):
    geometry, path = axial
    request = StructuresRequest(list_region_object(path), (1, 2), geometry)
    stopped = CallbackProgress(lambda *_: None, lambda: True)
    with pytest.raises(Cancelled):
        read_structures(request, stopped)


def test_that_one_structure_is_asked_for_by_name_and_several_need_one(axial):
    geometry, path = axial
    (ring,) = masks_of(path, geometry, name="ring")
    assert ring.name == "Ring"
    told = []
    everything = read_regions(RegionFile(path), geometry, NullProgress(), told.append)
    assert len(told) == 4
    with pytest.raises(InvalidInputError, match="name one of: Box, Ring, Gap"):
        choose_region(everything, "")
    with pytest.raises(InvalidInputError, match="no region 'spleen'; it has: Box, Ring, Gap"):
        masks_of(path, geometry, name="spleen")


def test_that_a_pet_slice_is_no_region_file(written, study):
    with pytest.raises(ReadError, match="holds no regions"):
        masks_of(sorted(written.folder.iterdir())[0], image_of(study).geometry)


# Saving


def test_that_saved_regions_read_back_voxel_by_voxel(study, tmp_path):
    geometry = image_of(study).geometry
    rois = two_balls(geometry)
    expected = [roi.rasterise(geometry).inside for roi in rois]
    assert (expected[0] & expected[1]).any()
    for name in ("regions.json", "regions.dcm"):
        assert saved(tmp_path / name, study, rois) == f"Saved 2 regions to {name}."
        read = masks_of(tmp_path / name, geometry)
        assert [mask.name for mask in read] == ["Aorta", "Liver"]
        for mask, inside in zip(read, expected, strict=True):
            np.testing.assert_array_equal(mask.inside, inside)


def test_that_a_mask_of_numbers_reads_back_and_refuses_overlap(study, tmp_path):
    geometry = image_of(study).geometry
    first, second = two_balls(geometry)
    with pytest.raises(ExportError, match="Liver and Aorta overlap"):
        saved(tmp_path / "regions.nii.gz", study, (first, second))
    assert list(tmp_path.iterdir()) == []
    second = Roi("b", "Liver", "#00ff00", Sphere(tuple(geometry.to_lps_mm([2, 3, 15])), 6.0))
    told = saved(tmp_path / "regions.nii.gz", study, (first, second))
    assert told == "Saved 2 regions to regions.nii.gz. Numbers: 1 Aorta, 2 Liver."
    for mask, roi in zip(
        masks_of(tmp_path / "regions.nii.gz", geometry), (first, second), strict=True
    ):
        np.testing.assert_array_equal(mask.inside, roi.rasterise(geometry).inside)
    labels = np.asanyarray(nibabel.load(tmp_path / "regions.nii.gz").dataobj)
    assert np.unique(labels).tolist() == [0, 1, 2]


def test_that_curves_of_a_segmentation_and_of_the_same_mask_in_nifti_are_equal(study, tmp_path):
    image = image_of(study)
    (ball, _) = two_balls(image.geometry)
    curves = []
    for name in ("regions.dcm", "regions.nii.gz", "regions.json"):
        saved(tmp_path / name, study, (ball,))
        (mask,) = masks_of(tmp_path / name, image.geometry)
        curves.append(extract(image, mask))
    for curve in curves[1:]:
        np.testing.assert_array_equal(curve.mean, curves[0].mean)
        np.testing.assert_array_equal(curve.std, curves[0].std)


def test_that_a_segmentation_refers_to_the_series_and_slices_it_was_drawn_on(
    written, study, tmp_path
):
    rois = two_balls(image_of(study).geometry)
    saved(tmp_path / "regions.dcm", study, rois)
    made = pydicom.dcmread(tmp_path / "regions.dcm")
    slices = [pydicom.dcmread(path, stop_before_pixels=True) for path in written.folder.iterdir()]
    (series,) = made.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == slices[0].SeriesInstanceUID
    referenced = {item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence}
    assert referenced == {one.SOPInstanceUID for one in slices}
    place = {one.SOPInstanceUID: np.array(one.ImagePositionPatient, float) for one in slices}
    for frame in made.PerFrameFunctionalGroupsSequence:
        (source,) = frame.DerivationImageSequence[0].SourceImageSequence
        np.testing.assert_allclose(
            place[source.ReferencedSOPInstanceUID],
            np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float),
            atol=1e-3,
        )
    for keyword in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert made[keyword].value == slices[0][keyword].value
    liver = made.SegmentSequence[1]
    assert (liver.SegmentLabel, liver.SegmentDescription) == ("Liver", "RT structure set 1.2")
    assert dciodvfy_errors(tmp_path / "regions.dcm") == []


def test_that_regions_of_a_study_without_dicom_become_a_sound_segmentation(tmp_path):
    geometry = oblique_geometry((5, 8, 11))
    roi = Roi("a", "Ball", "#112233", Sphere(tuple(geometry.to_lps_mm([2, 4, 5])), 5.0))
    request = SaveRegionsRequest(path=tmp_path / "regions.dcm", rois=(roi,), geometry=geometry)
    save_regions(request, NullProgress())
    assert "ReferencedSeriesSequence" not in pydicom.dcmread(tmp_path / "regions.dcm")
    assert dciodvfy_errors(tmp_path / "regions.dcm") == []
    (mask,) = masks_of(tmp_path / "regions.dcm", geometry)
    np.testing.assert_array_equal(mask.inside, roi.rasterise(geometry).inside)


def test_that_the_window_and_the_command_line_read_what_was_saved(study, tmp_path):
    rois = two_balls(image_of(study).geometry)
    saved(tmp_path / "regions.json", study, rois)
    entry = json.loads((tmp_path / "regions.json").read_text(encoding="utf-8"))["regions"][1]
    assert entry["origin"] == "RT structure set 1.2"


def test_that_a_file_of_the_study_is_never_replaced_and_others_only_when_asked(study, tmp_path):
    rois = two_balls(image_of(study).geometry)
    saved(tmp_path / "regions.json", study, rois)
    with pytest.raises(ExportError, match="exists already"):
        saved(tmp_path / "regions.json", study, rois)
    saved(tmp_path / "regions.json", study, rois, overwrite=True)
    linked = tmp_path / "linked.dcm"
    linked.symlink_to(study.main_series.source_files[0])
    with pytest.raises(ExportError, match="a file of the study itself"):
        saved(linked, study, rois, overwrite=True)


@pytest.mark.parametrize("name", ["regions.txt", "regions", "regions.nii"])
def test_that_another_ending_is_refused(study, tmp_path, name):
    with pytest.raises(ExportError, match="must end in"):
        saved(tmp_path / name, study, two_balls(image_of(study).geometry))


def test_that_there_must_be_a_region_with_a_voxel(study, tmp_path):
    with pytest.raises(InvalidInputError, match="no region to save"):
        saved(tmp_path / "a.dcm", study, ())
    away = Roi("a", "Away", "#112233", Sphere((1e4, 0.0, 0.0), 3.0))
    with pytest.raises(InvalidInputError, match="'Away' holds no voxel centre"):
        saved(tmp_path / "a.dcm", study, (away,))
