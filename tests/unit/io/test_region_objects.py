"""Structure sets and segmentations: what is listed, read and refused; highdicom is the referee."""

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless
from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.phantoms import axial_affine, oblique_affine
from tests.helpers.region_objects import circle, rectangle, write_structure_set

from kiview.core.errors import ReadError
from kiview.core.progress import NullProgress
from kiview.io import dicom_objects, dicom_rtstruct
from kiview.io.dicom_rtstruct import list_structure_set, read_structure_set
from kiview.io.dicom_seg import list_segmentation, read_segmentation

UP = np.array([0.0, 0.0, 3.0])
ORGAN = Code("123037004", "SCT", "Anatomical Structure")
SHAPE = (7, 9, 11)
"""Odd, so that the bits of a frame do not fill whole bytes."""


def contours(path, *numbers):
    return read_structure_set(path, numbers, NullProgress())


def segments(path, *numbers):
    return read_segmentation(path, numbers, NullProgress())


# Structure sets


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
    whole = path.read_bytes()
    random = np.random.default_rng(17)
    for trial in range(300):
        data = bytearray(whole)
        if trial % 3 == 0:
            data = data[: random.integers(len(data))]
        else:
            for place in random.integers(132, len(data), 3):
                data[place] = random.integers(256)
        path.write_bytes(data)
        try:
            list_structure_set(path)
            contours(path, 1)
        except ReadError as error:
            assert "\n" not in str(error)  # noqa: PT017 - most changes do no harm


# Segmentations


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    affine = axial_affine((3.0, 2.5, 2.0))
    values = np.random.default_rng(0).random((1, *SHAPE)) * 1000
    paths = write_dynamic_series(
        tmp_path_factory.mktemp("pet"), "siemens", values, affine, [0.0], [60.0]
    )
    return [pydicom.dcmread(path) for path in paths], affine


def masks():
    inside = np.zeros((*SHAPE, 2), bool)
    inside[1:5, 2:6, 3:9, 0] = True
    inside[4:6, :, :4, 1] = True
    inside[4, 3:5, 3:5, 1] = False
    return inside


def write_seg(path, source, pixels, kind="BINARY", **options):
    descriptions = [
        highdicom.seg.SegmentDescription(
            number, label, ORGAN, ORGAN, "MANUAL",
            display_color=highdicom.color.CIELabColor.from_rgb(200, 90, 30),
        )
        for number, label in ((1, "Liver"), (2, "Aorta"))
    ]  # fmt: skip
    made = highdicom.seg.Segmentation(
        source, pixels, kind, descriptions, "1.2.3.1", 5, "1.2.3.2", 1, "m", "m", "1", "1",
        **options,
    )  # fmt: skip
    made.save_as(path)
    return path


def on_grid(segment, affine):
    """Voxels of a read segment at the voxels of the source grid."""
    found = np.zeros(SHAPE, bool)
    index = np.argwhere(segment.voxels.inside)
    position = segment.voxels.geometry.to_lps_mm(index)
    place = (
        position @ np.linalg.inv(affine[:3, :3]).T - np.linalg.inv(affine[:3, :3]) @ affine[:3, 3]
    )
    np.testing.assert_allclose(place, np.rint(place), atol=1e-4)
    found[tuple(np.rint(place).astype(int).T)] = True
    return found


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL"])
def test_that_segments_hold_the_voxels_that_were_written(tmp_path, source, kind):
    datasets, affine = source
    inside = masks()
    pixels = inside.astype(np.uint8) if kind == "BINARY" else np.where(inside, 0.51, 0.49)
    path = write_seg(tmp_path / "seg.dcm", datasets, pixels, kind)
    listed = list_segmentation(path)
    assert [(one.number, one.name) for one in listed.structures] == [(1, "Liver"), (2, "Aorta")]
    assert listed.structures[0].frame_of_reference_uid == datasets[0].FrameOfReferenceUID
    for segment in segments(path, 2, 1):
        np.testing.assert_array_equal(on_grid(segment, affine), inside[..., segment.number - 1])
        assert segment.colour == "#c85a1e"
    rule = {"BINARY": "binary", "FRACTIONAL": "probability of at least 0.5"}[kind]
    assert segments(path, 1)[0].rule == rule


def test_that_exactly_half_is_inside_and_that_occupancy_has_its_name(tmp_path, source):
    datasets, affine = source
    inside = masks()
    pixels = np.where(inside, 0.5, 0.25)
    path = write_seg(
        tmp_path / "seg.dcm", datasets, pixels, "FRACTIONAL",
        fractional_type="OCCUPANCY", max_fractional_value=100,
    )  # fmt: skip
    (liver,) = segments(path, 1)
    assert liver.rule == "occupancy of at least 0.5"
    np.testing.assert_array_equal(on_grid(liver, affine), inside[..., 0])


def test_that_a_label_map_gives_each_number_its_voxels(tmp_path, source):
    datasets, affine = source
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:5, 2:6, 3:9] = 1
    labels[5:6, :, :4] = 2
    path = write_seg(tmp_path / "seg.dcm", datasets, labels, "LABELMAP")
    assert [one.name for one in list_segmentation(path).structures] == ["Liver", "Aorta"]
    for segment in segments(path, 1, 2):
        np.testing.assert_array_equal(on_grid(segment, affine), labels == segment.number)
        assert segment.rule == "label map"


def test_that_highdicom_reads_the_same_place(tmp_path, source):
    """The other program's own affine, on frames of which some are left out as empty."""
    datasets, _ = source
    path = write_seg(tmp_path / "seg.dcm", datasets, masks().astype(np.uint8))
    volume = highdicom.seg.segread(path).get_volume(segment_numbers=[2], combine_segments=True)
    (aorta,) = segments(path, 2)
    expected = volume.affine @ np.append(np.argwhere(volume.array > 0).mean(axis=0), 1.0)
    index = np.argwhere(aorta.voxels.inside).mean(axis=0)
    np.testing.assert_allclose(aorta.voxels.geometry.to_lps_mm(index), expected[:3], atol=1e-4)
    assert aorta.voxels.inside.sum() == (volume.array > 0).sum()


def test_that_an_oblique_segmentation_lies_where_its_source_does(tmp_path):
    affine = oblique_affine()
    values = np.random.default_rng(0).random((1, *SHAPE)) * 1000
    paths = write_dynamic_series(tmp_path / "pet", "ge", values, affine, [0.0], [60.0])
    path = write_seg(
        tmp_path / "seg.dcm", [pydicom.dcmread(p) for p in paths], masks().astype(np.uint8)
    )
    (liver,) = segments(path, 1)
    np.testing.assert_array_equal(on_grid(liver, affine), masks()[..., 0])


@pytest.mark.parametrize("syntax", [RLELossless, DeflatedExplicitVRLittleEndian])
def test_that_compressed_segmentations_are_read(tmp_path, source, syntax):
    datasets, affine = source
    kind = "FRACTIONAL" if syntax == RLELossless else "BINARY"
    pixels = masks().astype(float if kind == "FRACTIONAL" else np.uint8)
    path = write_seg(tmp_path / "seg.dcm", datasets, pixels, kind)
    dataset = pydicom.dcmread(path)
    if syntax == RLELossless:
        dataset.compress(syntax, encoding_plugin="pydicom", generate_instance_uid=False)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path)
    assert len(list_segmentation(path).structures) == 2
    np.testing.assert_array_equal(on_grid(segments(path, 2)[0], affine), masks()[..., 1])


def test_that_an_empty_segment_says_so(tmp_path, source):
    pixels = masks().astype(np.uint8)
    pixels[..., 1] = 0
    path = write_seg(tmp_path / "seg.dcm", source[0], pixels)
    assert segments(path, 2)[0].problem == "None of its voxels is set."


def frames_of(dataset):
    return dataset.PerFrameFunctionalGroupsSequence


def nan_position(dataset):
    frames_of(dataset)[0].PlanePositionSequence[0].ImagePositionPatient = ["NaN", "0", "0"]


def far_position(dataset):
    frames_of(dataset)[0].PlanePositionSequence[0].ImagePositionPatient = [0, 0, 1e8]


def uneven(dataset):
    position = frames_of(dataset)[1].PlanePositionSequence[0]
    position.ImagePositionPatient[2] += 0.9


def beside(dataset):
    position = frames_of(dataset)[1].PlanePositionSequence[0]
    position.ImagePositionPatient[0] += 1.0


def huge(dataset):
    dataset.Rows = dataset.Columns = 60000


def too_few(dataset):
    del dataset.PerFrameFunctionalGroupsSequence[0]


def flat(dataset):
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = [1, 0, 0, 1, 0, 0]


def no_pixels(dataset):
    dataset.PixelData = dataset.PixelData[:10]


def unknown_type(dataset):
    dataset.SegmentationType = "SURFACE"


def not_a_list(dataset):
    dataset.PerFrameFunctionalGroupsSequence = []


def ten_million(dataset):
    dataset.NumberOfFrames = 10_000_000


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (nan_position, "ImagePositionPatient"),
        (far_position, "ImagePositionPatient is not 3 possible"),
        (uneven, "not evenly spaced"),
        (beside, "do not lie above each other"),
        (huge, "60000 x 60000 pixels"),
        (too_few, "frames but describes"),
        (flat, "no two directions"),
        (no_pixels, "cut off"),
        (unknown_type, "type 'SURFACE' are not read"),
        (not_a_list, "frames but describes 0"),
        (ten_million, "says 10000000 frames"),
    ],
)
def test_that_a_segmentation_that_cannot_be_is_refused(tmp_path, source, change, told):
    path = write_seg(tmp_path / "seg.dcm", source[0], masks().astype(np.uint8))
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    with pytest.raises(ReadError, match=told) as caught:
        segments(path, 1)
    assert "\n" not in str(caught.value)


def test_that_planes_that_reach_to_the_moon_take_no_memory(tmp_path, source):
    """Two frames 10 m apart on planes of a hundredth of a millimetre: a million planes."""
    path = write_seg(tmp_path / "seg.dcm", source[0], masks().astype(np.uint8))
    dataset = pydicom.dcmread(path)
    for place, w in ((0, -5000.0), (1, 0.0), (2, 0.01)):
        position = frames_of(dataset)[place].PlanePositionSequence[0]
        position.ImagePositionPatient[2] = w
    keep = frames_of(dataset)[:3]
    dataset.PerFrameFunctionalGroupsSequence = keep
    dataset.NumberOfFrames = 3
    dataset.Rows = dataset.Columns = 8000
    dataset.save_as(path)
    with pytest.raises(ReadError, match=r"reach further|cut off|evenly"):
        segments(path, 1)


def test_that_a_changed_byte_of_a_segmentation_is_told_in_one_sentence(tmp_path, source):
    path = write_seg(tmp_path / "seg.dcm", source[0], masks().astype(np.uint8))
    whole = path.read_bytes()
    random = np.random.default_rng(23)
    for trial in range(60):
        data = bytearray(whole)
        if trial % 3 == 0:
            data = data[: random.integers(len(data))]
        else:
            for place in random.integers(132, len(data), 3):
                data[place] = random.integers(256)
        path.write_bytes(data)
        try:
            list_segmentation(path)
            segments(path, 1)
        except ReadError as error:
            assert "\n" not in str(error)  # noqa: PT017 - most changes do no harm


def test_that_a_sequence_that_is_none_is_refused():
    dataset = Dataset()
    dataset.PatientComments = "text"
    with pytest.raises(ReadError, match="is no list"):
        dicom_objects.items_of(dataset, "PatientComments", 5, "frames")
