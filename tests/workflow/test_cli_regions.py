"""The command line with structure sets and segmentations, from the study to the curve."""

import json

import numpy as np
import pydicom
import pytest
from tests.helpers.region_objects import write_structure_set


@pytest.fixture(scope="module")
def structures(study, tmp_path_factory):
    """The block of blood as contours on its own oblique slices, and a neighbour."""
    source = pydicom.dcmread(next(iter(study.folder.iterdir())), stop_before_pixels=True)
    low, high = 2.5, 6.5
    corners = [(low, 3.5), (high, 3.5), (high, 7.5), (low, 7.5)]
    blood = [study.geometry.to_lps_mm([(z, y, x) for y, x in corners]) for z in (1, 2, 3)]
    other = [study.geometry.to_lps_mm([(z, y + 6, x + 6) for y, x in corners]) for z in (1, 2)]
    path = tmp_path_factory.mktemp("objects") / "RS.dcm"
    return write_structure_set(path, {"Aorta": blood, "Liver: left": other}, source)


def test_that_a_named_structure_gives_the_curve_of_the_same_mask(
    kiview, study, structures, tmp_path
):
    texts = []
    for number, roi in enumerate((study.aorta, f"{structures}:aorta")):
        out = tmp_path / f"{number}.tsv"
        code, printed, told = kiview("curve", study.folder, "--roi", roi, "--out", out)
        assert (code, printed) == (0, ""), told
        texts.append(out.read_text(encoding="utf-8"))
    assert texts[0] == texts[1]
    values = np.loadtxt(tmp_path / "1.tsv", skiprows=1)
    np.testing.assert_allclose(values[:, 1], study.blood_mean_bqml, rtol=1e-3)


def test_that_several_structures_need_a_name_and_names_may_hold_colons(
    kiview, study, structures, tmp_path
):
    out = tmp_path / "curve.tsv"
    code, _, told = kiview("curve", study.folder, "--roi", structures, "--out", out)
    assert code == 1
    assert "several regions; name one of: Aorta, Liver: left" in told
    words = ("--roi", f"{structures}:Liver: left", "--out", out)
    assert kiview("curve", study.folder, *words)[0] == 0
    words = ("--roi", structures, "--region", "liver: left", "--out", out, "--overwrite")
    assert kiview("curve", study.folder, *words)[0] == 0


def test_that_a_name_given_twice_or_of_no_file_is_a_usage_error(
    kiview, study, structures, tmp_path
):
    out = tmp_path / "curve.tsv"
    words = ("--roi", f"{structures}:Aorta", "--region", "Aorta", "--out", out)
    code, _, told = kiview("curve", study.folder, *words)
    assert (code, "named twice" in told) == (2, True)
    words = ("--roi", f"{tmp_path / 'gone.dcm'}:Aorta", "--out", out)
    code, _, told = kiview("curve", study.folder, *words)
    assert (code, "is no file" in told) == (2, True)


def test_that_maps_take_blood_from_a_structure(kiview, study, structures, tmp_path):
    out = tmp_path / "maps"
    words = ("--input", f"aorta:{structures}", "--method", "patlak", "--frames", "25-60")
    code, _, told = kiview("map", study.folder, *words, "--out", out)
    assert code == 0, told
    record = json.loads((out / "patlak_Ki.json").read_text(encoding="utf-8"))
    assert "Aorta" in record["input_function"]["description"]


def test_that_a_foreign_frame_of_reference_must_be_trusted(kiview, study, structures, tmp_path):
    dataset = pydicom.dcmread(structures)
    for item in dataset.StructureSetROISequence:
        item.ReferencedFrameOfReferenceUID = "9.9.9"
    dataset.save_as(tmp_path / "RS.dcm")
    out = tmp_path / "curve.tsv"
    words = ("--roi", f"{tmp_path / 'RS.dcm'}:Aorta", "--out", out)
    code, _, told = kiview("curve", study.folder, *words)
    assert code == 1
    assert "another frame of reference" in told
    assert not out.exists()
    code, _, told = kiview("curve", study.folder, *words, "--trust-position")
    assert code == 0
    assert "read all the same" in told


def test_that_info_lists_the_structures(kiview, study, structures):
    target = study.folder / "RS.dcm"
    target.write_bytes(structures.read_bytes())
    try:
        code, printed, _ = kiview("info", study.folder, "--json")
        plain = kiview("info", study.folder)[1]
    finally:
        target.unlink()
    assert code == 0
    listed = [one for one in json.loads(printed)["series"] if one["modality"] == "RTSTRUCT"]
    assert [one["kind"] for one in listed] == ["other"]
    assert [one["name"] for one in listed[0]["structures"]] == ["Aorta", "Liver: left"]
    assert "2 structures: Aorta, Liver: left" in plain
