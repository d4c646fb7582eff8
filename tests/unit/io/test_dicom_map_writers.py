"""Derived PET series and Parametric Map: what other programs read in them."""

import json
from dataclasses import replace

import nibabel
import numpy as np
import pydicom
import pytest
from tests.helpers.phantoms import axial_affine, feet_first_affine
from tests.helpers.results import (
    INJECTED,
    MODIFIED,
    PATIENT,
    converted_by_dcm2niix,
    converted_by_plastimatch,
    dciodvfy_errors,
    header,
    ki_map,
    oblique_geometry,
    provenance,
    sampled_at,
    slice_tolerance,
)
from tests.helpers.shared_data import REPOSITORY

from kiview.core.errors import ExportError, ReadError
from kiview.core.geometry import VolumeGeometry
from kiview.core.images import ParametricMap
from kiview.core.progress import NullProgress
from kiview.core.provenance import Step
from kiview.core.study import PatientInfo
from kiview.core.units import KI_STANDARD_DEVIATION, KI_STANDARD_ERROR, LOG_CORRECTION, UNKNOWN, V0
from kiview.io.dicom_common import (
    made_up_header,
    number_text,
    read_source_header,
    stored_as_int16,
)
from kiview.io.dicom_map import write_parametric_map
from kiview.io.dicom_pet_map import write_pet_map
from kiview.io.map_record import derivation_text, file_stem, series_description, version_mark
from kiview.io.nifti_writer import write_nifti_map

GRIDS = {
    "axial": VolumeGeometry((5, 8, 11), axial_affine()),
    "feet first": VolumeGeometry((5, 8, 11), feet_first_affine()),
    "oblique": oblique_geometry(),
}


def write_pet(folder, parametric_map, source=None):
    folder.mkdir()
    return write_pet_map(folder, parametric_map, source or header(), 9001, NullProgress())


def write_pm(path, parametric_map, source=None):
    write_parametric_map(path, parametric_map, source or header(), 9002)
    return pydicom.dcmread(path)


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_that_dcm2niix_and_plastimatch_read_the_pet_map_at_the_same_place(tmp_path, grid):
    parametric_map = ki_map(geometry=grid)
    write_pet(tmp_path / "dicom", parametric_map)
    truth = np.nan_to_num(parametric_map.values)
    for image in (
        converted_by_dcm2niix(tmp_path / "dicom", tmp_path / "nii"),
        converted_by_plastimatch(tmp_path / "dicom", tmp_path / "plastimatch.nii.gz"),
    ):
        found = sampled_at(image, grid)
        assert (np.abs(found - truth) <= slice_tolerance(truth)).all()


def test_that_the_pet_map_says_what_it_is(tmp_path):
    source = header()
    paths = write_pet(tmp_path / "dicom", ki_map(), source)
    first, second = pydicom.dcmread(paths[0]), pydicom.dcmread(paths[1])
    assert first.SOPClassUID == "1.2.840.10008.5.1.4.1.1.128"
    assert first.ImageType == ["DERIVED", "PRIMARY"]
    assert first.Units == "MLMINML"
    assert float(first.RescaleIntercept) == 0
    assert first.RescaleSlope != second.RescaleSlope
    assert first.SeriesDescription == "Ki Patlak 30-60 min [mL/min/mL] RUO"
    assert "2 voxels without a value are stored as 0" in first.DerivationDescription
    assert "Research use only" in first.DerivationDescription
    assert "region aorta" in first.DerivationDescription
    assert first.StudyInstanceUID == source.study_uid
    assert first.FrameOfReferenceUID == oblique_geometry().frame_of_reference_uid
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    assert str(first.PatientName) == "Secret^Patient"
    assert [item.Manufacturer for item in first.ContributingEquipmentSequence] == [
        "Test scanners",
        "KiView",
    ]
    assert first.ContributingEquipmentSequence[1].SoftwareVersions == "1.2.3"
    assert all(len(pydicom.dcmread(p)["RescaleSlope"].value.original_string) <= 16 for p in paths)


@pytest.mark.parametrize("quantity", [V0, KI_STANDARD_ERROR, KI_STANDARD_DEVIATION, LOG_CORRECTION])
def test_that_the_checker_finds_no_error_in_any_quantity(tmp_path, quantity):
    parametric_map = ki_map(quantity=quantity)
    paths = write_pet(tmp_path / "dicom", parametric_map)
    write_pm(tmp_path / "pm.dcm", parametric_map)
    assert dciodvfy_errors(paths[2]) == []
    assert dciodvfy_errors(tmp_path / "pm.dcm") == []
    assert pydicom.dcmread(paths[0]).Units == quantity.unit.dicom_term


def test_that_what_was_done_to_the_frames_is_told_in_dicom(tmp_path):
    merged = Step("merge-frames", "10 min frames", "Frames 7-12 (30-60 min) merged into 3.")
    parametric_map = ki_map(provenance(steps=(merged,)))
    write_pm(tmp_path / "pm.dcm", parametric_map)
    (first, *_) = write_pet(tmp_path / "dicom", parametric_map)
    for path in (first, tmp_path / "pm.dcm"):
        written = pydicom.dcmread(path)
        assert f"{merged.text} Research use only" in written.DerivationDescription
        described = written.ContributingEquipmentSequence[-1].ContributionDescription
        assert merged.text in described


def test_that_the_choices_and_the_origin_of_a_network_are_told_in_words():
    weights = {"position": 0.25, "image_blend": 0.1, "layers": [1], "weights": [], "loaded": None}
    settings = {"network_version": "1.2.0", "network_origin": "site", "weights": weights}

    def told(**changes):
        record = {"network_id": "net", "weight_set_id": "abcdef0123", "settings": settings}
        return derivation_text(ki_map(provenance("network", **record | changes)), False)

    assert "Site network net 1.2.0, unmodified weights abcdef0123. " in told()
    assert "MODIFIED weights abcdef0123: slider 0.25, 0.1 of Patlak, layers edited: 1. " in told(
        modified=True
    )
    loaded = {**weights, "loaded": {"file": "w"}, "image_blend": 0.0, "layers": []}
    shipped = {**settings, "network_origin": "shipped", "weights": loaded}
    assert "Network net 1.2.0, MODIFIED weights abcdef0123: loaded from a file. " in told(
        modified=True, settings=shipped
    )


def test_that_modified_weights_are_marked_in_both_formats(tmp_path):
    parametric_map = ki_map(MODIFIED)
    pet = pydicom.dcmread(write_pet(tmp_path / "dicom", parametric_map)[0])
    for written in (pet, write_pm(tmp_path / "pm.dcm", parametric_map)):
        assert written.SeriesDescription == "Ki network 30-60 min [mL/min/mL] RUO MOD"
        own = written.ContributingEquipmentSequence[-1]
        assert own.SoftwareVersions == written.SoftwareVersions == "1.2.3+modified.abcdef01"
        assert "ki-net-1, MODIFIED weights abcdef01" in written.DerivationDescription
    assert dciodvfy_errors(tmp_path / "pm.dcm") == []


@pytest.mark.parametrize(
    ("modified", "marks", "version"),
    [
        (False, "UNTIED RUO", "1.2.3+untied"),
        (True, "UNTIED RUO MOD", "1.2.3+modified.abcdef01.untied"),
    ],
)
def test_that_a_map_without_consistency_says_so_in_every_format(tmp_path, modified, marks, version):
    window = {"start_s": 1800.0, "end_s": 3600.0}

    def of(tied):
        settings = window | {"tied_to_patlak": tied}
        return ki_map(replace(MODIFIED, settings=settings, modified=modified))

    pet = pydicom.dcmread(write_pet(tmp_path / "dicom", of(False))[0])
    for written in (pet, write_pm(tmp_path / "pm.dcm", of(False))):
        assert written.SeriesDescription == f"Ki network 30-60 min [mL/min/mL] {marks}"
        own = written.ContributingEquipmentSequence[-1]
        assert own.SoftwareVersions == written.SoftwareVersions == version
        assert "Not kept consistent with Patlak." in written.DerivationDescription
    assert dciodvfy_errors(tmp_path / "pm.dcm") == []
    image, sidecar = write_nifti_map(tmp_path, "network_Ki", of(False), (), NullProgress())
    assert bytes(nibabel.load(image).header["descrip"]).rstrip(b"\0").endswith(marks.encode())
    record = json.loads(sidecar.read_text(encoding="utf-8"))
    assert (record["description"].endswith(marks), record["software_version"]) == (True, version)
    assert "Not kept consistent with Patlak." in record["derivation"]
    for tied in (True, None):
        assert "UNTIED" not in series_description(of(tied))
        assert "consistent" not in derivation_text(of(tied), False)
        assert "untied" not in version_mark(of(tied).provenance)


def test_that_patient_and_study_come_from_the_source_file(tmp_path):
    source = write_pet(tmp_path / "source", ki_map())[0]
    changed = pydicom.dcmread(source)
    changed.PatientName, changed.AccessionNumber = "Müller^Änne", "A-1"
    changed.InstitutionName, changed.PatientComments = "Hospital", "not to be copied"
    changed.save_as(source)
    written = pydicom.dcmread(
        write_pet(tmp_path / "derived", ki_map(), read_source_header(source))[0]
    )
    assert str(written.PatientName) == "Müller^Änne"
    assert written.AccessionNumber == "A-1"
    assert written.StudyInstanceUID == changed.StudyInstanceUID
    assert written.SeriesInstanceUID != changed.SeriesInstanceUID
    assert "PatientComments" not in written
    assert dciodvfy_errors(tmp_path / "derived" / "slice0003.dcm") == []
    (tmp_path / "rubbish.dcm").write_bytes(b"not a DICOM file")
    for name in ("gone.dcm", "rubbish.dcm"):
        with pytest.raises(ReadError, match=name):
            read_source_header(tmp_path / name)


def test_that_results_of_files_without_a_header_are_sound_too(tmp_path):
    nameless = made_up_header(PatientInfo())
    path = write_pet(tmp_path / "dicom", ki_map(), nameless)[1]
    write_pm(tmp_path / "pm.dcm", ki_map(), nameless)
    assert dciodvfy_errors(path) == []
    assert dciodvfy_errors(tmp_path / "pm.dcm") == []


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_that_the_parametric_map_keeps_floats_and_their_place(tmp_path, grid):
    parametric_map = ki_map(geometry=grid)
    (tmp_path / "pm").mkdir()
    write_pm(tmp_path / "pm" / "pm.dcm", parametric_map)
    image = converted_by_dcm2niix(tmp_path / "pm", tmp_path / "nii")
    np.testing.assert_array_equal(sampled_at(image, grid), parametric_map.values)


def test_that_the_parametric_map_frames_carry_position_unit_and_quantity(tmp_path):
    parametric_map = ki_map()
    written = write_pm(tmp_path / "pm.dcm", parametric_map)
    frames = np.frombuffer(written.FloatPixelData, "<f4").reshape(-1, 8, 11)
    geometry = parametric_map.geometry
    for frame, group in zip(frames, written.PerFrameFunctionalGroupsSequence, strict=True):
        position = group.PlanePositionSequence[0].ImagePositionPatient
        z, y, x = geometry.nearest_index([float(v) for v in position])
        assert (y, x) == (0, 0)
        np.testing.assert_array_equal(frame, parametric_map.values[z])
    mapping = written.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    unit = mapping.MeasurementUnitsCodeSequence[0]
    assert (unit.CodeValue, unit.CodingSchemeDesignator) == ("ml/min/ml", "UCUM")
    quantity = mapping.QuantityDefinitionSequence[0].ConceptCodeSequence[0]
    assert (quantity.CodeValue, quantity.CodingSchemeDesignator) == ("KI", "99KIVIEW")
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1.0, 0.0)
    assert written.ContentQualification == "RESEARCH"
    assert "SourceImageSequence" not in written
    derivation = written.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0]
    assert derivation.DerivationCodeSequence[0].CodeValue == "PATLAK"


def test_that_a_map_without_any_value_is_written_as_zeros_and_nan(tmp_path):
    empty = ParametricMap(
        np.full((5, 8, 11), np.nan, np.float32), V0, oblique_geometry(), provenance()
    )
    paths = write_pet(tmp_path / "dicom", empty)
    assert not pydicom.dcmread(paths[0]).pixel_array.any()
    assert "440 voxels without a value" in pydicom.dcmread(paths[0]).DerivationDescription
    written = write_pm(tmp_path / "pm.dcm", empty)
    assert np.isnan(np.frombuffer(written.FloatPixelData, "<f4")).all()
    assert dciodvfy_errors(tmp_path / "pm.dcm") == []


def test_that_a_quantity_without_dicom_unit_is_refused(tmp_path):
    with pytest.raises(ExportError, match="export NIfTI"):
        write_pet(tmp_path / "dicom", ki_map(quantity=UNKNOWN))


def test_that_a_long_method_name_never_pushes_out_the_marks():
    untied = {"tied_to_patlak": False}
    long = ki_map(provenance("m" * 80, modified=True, weight_set_id="0" * 64, settings=untied))
    description = series_description(long)
    assert len(description) == 64
    assert description.endswith(" UNTIED RUO MOD")


def test_that_a_method_name_cannot_leave_the_folder():
    assert file_stem(ki_map(provenance("../über/x"))) == "..--ber-x_Ki"


@pytest.mark.parametrize("value", [1.0, -1234.56789012345, 1.23456789e-12, 9.99999999999e21, -0.1])
def test_that_numbers_fit_in_sixteen_characters_without_losing_nine_digits(value):
    text = number_text(value)
    assert len(text) <= 16
    assert float(text) == pytest.approx(value, rel=1e-9)


def test_that_a_number_that_is_none_is_refused():
    with pytest.raises(ExportError, match="nan"):
        number_text(float("nan"))


def test_that_a_header_keeps_its_clock():
    dataset = made_up_header(PatientInfo(), INJECTED).dataset
    assert (dataset.SeriesDate, dataset.SeriesTime) == ("20260105", "235830.000000")


def test_that_values_too_small_for_any_slope_are_stored_as_zero():
    stored, slope = stored_as_int16(np.full((2, 3), 1e-320))
    assert slope == "1"
    assert not stored.any()


def test_that_a_map_of_frames_without_decay_correction_names_no_factor(tmp_path):
    uncorrected = made_up_header(PatientInfo(), INJECTED, {"DecayCorrection": "NONE"})
    path = write_pet(tmp_path / "dicom", ki_map(), uncorrected)[0]
    assert "DecayFactor" not in pydicom.dcmread(path)
    assert dciodvfy_errors(path) == []


@pytest.mark.parametrize("part", ["CHEST", "Chest", "BREAST", "EXTREMITY", "WHOLEBODY", "FOO"])
def test_that_any_body_part_gives_a_sound_object(tmp_path, part):
    source = made_up_header(PATIENT, INJECTED)
    source.dataset.add_new("BodyPartExamined", "CS", "")
    source.dataset["BodyPartExamined"].validation_mode = 0
    source.dataset["BodyPartExamined"].value = part
    write_pm(tmp_path / "pm.dcm", ki_map(), source)
    assert dciodvfy_errors(tmp_path / "pm.dcm") == []


def test_that_a_real_scanner_header_gives_sound_objects(tmp_path):
    real = REPOSITORY / "tests" / "data" / "mirp-sts001-raw" / "1-221.dcm"
    changed = pydicom.dcmread(real)
    changed["StudyID"].validation_mode = 0
    changed["StudyID"].value = "longer than sixteen characters"
    changed.save_as(tmp_path / "source.dcm")
    source = read_source_header(tmp_path / "source.dcm")
    path = write_pet(tmp_path / "dicom", ki_map(), source)[0]
    written = write_pm(tmp_path / "pm.dcm", ki_map(), source)
    assert dciodvfy_errors(path) == []
    assert dciodvfy_errors(tmp_path / "pm.dcm") == []
    assert written.StudyInstanceUID == changed.StudyInstanceUID
    assert written.PatientID == changed.PatientID
    assert written.StudyID == "longer than sixt"
    assert pydicom.dcmread(path).ContributingEquipmentSequence[0].Manufacturer == (
        changed.Manufacturer
    )
