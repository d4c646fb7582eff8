"""Structure sets: what is listed, read and refused."""

import numpy as np
import pytest
from pydicom.dataset import Dataset
from tests.helpers.region_objects import (
    circle,
    damaged,
    rectangle,
    told_in_one_sentence,
    write_structure_set,
)

from kiview.core.errors import ReadError
from kiview.core.progress import NullProgress
from kiview.io import dicom_objects, dicom_rtstruct
from kiview.io.dicom_rtstruct import list_structure_set, read_structure_set

UP = np.array([0.0, 0.0, 3.0])


def contours(path, *numbers):
    return read_structure_set(path, numbers, NullProgress())


def test_that_names_numbers_colours_and_contours_are_those_of_the_file(tmp_path):
    square, round_one = rectangle((0, 10), (5, 25), 12.5), circle(8.0, -3.25)
    path = write_structure_set(
        tmp_path / "RS.dcm", {"Aorta asc.": [square, square + UP], "Liver": [round_one]}
    )
    listed = list_structure_set(path)
    assert [(one.number, one.name) for one in listed.structures] == [
        (1, "Aorta asc."),
        (2, "Liver"),
    ]
    assert {one.frame_of_reference_uid for one in listed.structures} == {"1.2.3"}
    assert (listed.modality, listed.description) == ("RTSTRUCT", "Planning")
    liver, aorta = contours(path, 2, 1)
    assert (liver.colour, aorta.colour) == ("#00c850", "#ff0000")
    np.testing.assert_allclose(aorta.contours[1], square + UP)
    np.testing.assert_allclose(liver.contours[0], round_one, atol=1e-8)


def test_that_two_structures_of_one_name_are_told_apart_by_number(tmp_path):
    path = write_structure_set(
        tmp_path / "RS.dcm",
        {"GTV": [circle(5, 0)], "gtv": [circle(5, 0)], "": [circle(5, 0)]},
    )
    names = [one.name for one in list_structure_set(path).structures]
    assert names == ["GTV (1)", "gtv (2)", "Structure 3"]


@pytest.mark.parametrize("kind", ["POINT", "OPEN_PLANAR", "OPEN_NONPLANAR"])
def test_that_contours_that_enclose_nothing_are_refused_with_the_reason(tmp_path, kind):
    path = write_structure_set(tmp_path / "RS.dcm", {"Marker": [circle(5, 0)]}, kind=kind)
    (marker,) = contours(path, 1)
    assert marker.problem == f"It holds {kind} contours, which enclose no volume."
    assert marker.contours == ()


def test_that_xor_contours_are_closed_ones(tmp_path):
    path = write_structure_set(
        tmp_path / "RS.dcm", {"Ring": [circle(5, 0), circle(3, 0)]}, kind="CLOSEDPLANAR_XOR"
    )
    assert len(contours(path, 1)[0].contours) == 2


def test_that_a_structure_without_contours_says_so(tmp_path):
    def forget(dataset):
        del dataset.ROIContourSequence[0]

    path = write_structure_set(tmp_path / "RS.dcm", {"A": [circle(5, 0)]}, change=forget)
    assert contours(path, 1)[0].problem == "It has no contour."


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["NaN", "0", "0"], "impossible place"),
        (["inf", "0", "0"], "impossible place"),
        (["1e9", "0", "0"], "impossible place"),
        (["1_0", "0", "0"], "no numbers"),
        (["x", "0", "0"], "no numbers"),
        (["9" * 33, "0", "0"], "no numbers"),
        (["1", "2"], "three numbers each"),
        ([], "three numbers each"),
    ],
)
def test_that_impossible_corners_are_refused_in_one_sentence(tmp_path, values, told):
    def change(dataset):
        item = dataset.ROIContourSequence[0].ContourSequence[0]
        del item.NumberOfContourPoints
        item.ContourData = ["1.000000000"] * 12

    path = write_structure_set(tmp_path / "RS.dcm", {"A": [circle(5, 0)]}, change=change)
    old = b"\\".join([b"1.000000000"] * 12)
    new = "\\".join(values).encode().ljust(len(old), b" ")
    data = path.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))
    with pytest.raises(ReadError, match=told) as caught:
        contours(path, 1)
    assert "\n" not in str(caught.value)


def test_that_a_contour_must_have_as_many_corners_as_it_says(tmp_path):
    def lie(dataset):
        dataset.ROIContourSequence[0].ContourSequence[0].NumberOfContourPoints = 7

    path = write_structure_set(tmp_path / "RS.dcm", {"A": [circle(5, 0)]}, change=lie)
    with pytest.raises(ReadError, match="says 7 corners but has 360"):
        contours(path, 1)


def double_number(dataset):
    dataset.StructureSetROISequence[1].ROINumber = 1


def no_number(dataset):
    del dataset.StructureSetROISequence[0].ROINumber


def other_class(dataset):
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.481.2"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (double_number, "same number for several"),
        (no_number, "ROINumber is absent"),
        (other_class, "no RT structure set"),
    ],
)
def test_that_a_list_that_contradicts_itself_is_refused(tmp_path, change, told):
    path = write_structure_set(
        tmp_path / "RS.dcm", {"A": [circle(5, 0)], "B": [circle(5, 0)]}, change=change
    )
    with pytest.raises(ReadError, match=told):
        list_structure_set(path)


def test_that_limits_on_structures_contours_and_corners_hold(tmp_path, monkeypatch):
    path = write_structure_set(
        tmp_path / "RS.dcm", {"A": [circle(5, 0), circle(5, 3)], "B": [circle(5, 0)]}
    )
    monkeypatch.setattr(dicom_rtstruct, "MOST_CORNERS", 700)
    with pytest.raises(ReadError, match="more contours than KiView reads"):
        contours(path, 1)
    assert contours(path, 2)[0].problem == ""
    monkeypatch.setattr(dicom_rtstruct, "MOST_CONTOURS", 1)
    with pytest.raises(ReadError, match="2 contours, more than the 1"):
        contours(path, 1)
    monkeypatch.setattr(dicom_rtstruct, "MOST_STRUCTURES", 1)
    with pytest.raises(ReadError, match="2 structures, more than the 1"):
        list_structure_set(path)
    monkeypatch.setattr(dicom_objects, "MOST_BYTES", 1 << 10)
    with pytest.raises(ReadError, match="larger than"):
        contours(path, 1)


def test_that_any_cut_or_changed_byte_is_told_in_one_sentence(tmp_path):
    path = write_structure_set(tmp_path / "RS.dcm", {"A": [circle(5, 0, count=12)]})
    for _damage in damaged(path, 300, seed=17):
        with told_in_one_sentence():
            list_structure_set(path)
            contours(path, 1)


def test_that_a_sequence_that_is_none_is_refused():
    dataset = Dataset()
    dataset.PatientComments = "text"
    with pytest.raises(ReadError, match="is no list"):
        dicom_objects.items_of(dataset, "PatientComments", 5, "frames")
