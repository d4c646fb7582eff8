"""NIfTI maps: what nibabel reads, and what the sidecar says."""

import json

import nibabel
import numpy as np
import pytest
from tests.helpers.results import MODIFIED, ki_map, provenance, sampled_at

from kiview.core.progress import CallbackProgress, Cancelled, NullProgress
from kiview.io.nifti_writer import write_nifti_map


def write(folder, parametric_map, findings=()):
    return write_nifti_map(folder, "patlak_Ki", parametric_map, findings, NullProgress())


def test_that_nibabel_reads_the_same_floats_at_the_same_place(tmp_path):
    parametric_map = ki_map()
    path, _ = write(tmp_path, parametric_map)
    image = nibabel.load(path)
    assert image.get_data_dtype() == np.float32
    np.testing.assert_array_equal(sampled_at(image, parametric_map.geometry), parametric_map.values)
    assert image.header["sform_code"] == image.header["qform_code"] == 1
    np.testing.assert_allclose(image.header.get_qform(), image.header.get_sform(), atol=1e-4)
    assert image.header.get_xyzt_units() == ("mm", "sec")


def test_that_the_sidecar_says_what_made_the_map(tmp_path):
    made = {"computed_at": "2026-01-31T09:30:00+00:00", "operator": "rmeyer"}
    made_by = provenance(user_given={"weight_kg": 70.0}, **made)
    _, sidecar = write(tmp_path, ki_map(made_by), ("A gap was filled.",))
    record = json.loads(sidecar.read_text(encoding="utf-8"))
    assert record["unit"] == "mL/min/mL"
    assert record["method"] == "patlak"
    assert record["window_min"] == [30.0, 60.0]
    assert record["input_function"]["description"].startswith("image-derived")
    assert record["software_version"] == "1.2.3"
    assert record["user_given"] == {"weight_kg": 70.0}
    assert record["findings"] == ["A gap was filled."]
    assert {name: record[name] for name in made} == made
    assert record["voxels_without_value"] == 2
    assert record["weights_modified"] is False
    assert "Research use only" in record["intended_use"]


def test_that_modified_weights_are_in_the_sidecar(tmp_path):
    _, sidecar = write(tmp_path, ki_map(MODIFIED))
    record = json.loads(sidecar.read_text(encoding="utf-8"))
    assert record["weights_modified"] is True
    assert record["network_id"] == "ki-net-1"
    assert record["weight_set_id"] == "abcdef0123456789"
    assert record["software_version"] == "1.2.3+modified.abcdef01"


def test_that_two_exports_of_one_map_are_the_same_bytes(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        folder.mkdir()
        write(folder, ki_map())
    name = "patlak_Ki.nii.gz"
    assert (first / name).read_bytes() == (second / name).read_bytes()


def test_that_a_stop_request_stops_the_writing(tmp_path):
    with pytest.raises(Cancelled):
        write_nifti_map(tmp_path, "patlak_Ki", ki_map(), (), CallbackProgress(print, lambda: True))


def test_that_a_window_in_seconds_and_a_named_input_are_understood(tmp_path):
    made_by = provenance(
        "network",
        settings={"start_s": 1800.0, "end_s": 3600.0},
        inputs={"input_function": "region aorta", "input_source": "image-derived"},
    )
    _, sidecar = write(tmp_path, ki_map(made_by))
    record = json.loads(sidecar.read_text(encoding="utf-8"))
    assert record["window_min"] == [30.0, 60.0]
    assert record["input_function"] == {"description": "region aorta", "source": "image-derived"}
    assert record["description"] == "Ki network 30-60 min [mL/min/mL] RUO"


def test_that_a_map_without_a_recorded_window_says_none(tmp_path):
    _, sidecar = write(tmp_path, ki_map(provenance(settings={}, inputs={})))
    record = json.loads(sidecar.read_text(encoding="utf-8"))
    assert record["window_min"] is None
    assert record["input_function"] == {}
    assert record["description"] == "Ki Patlak [mL/min/mL] RUO"
