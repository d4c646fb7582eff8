"""Segmentations: what is listed, read and refused; highdicom is the referee."""

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.sr.coding import Code
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless
from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.phantoms import axial_affine, oblique_affine
from tests.helpers.region_objects import damaged, told_in_one_sentence

from kiview.core.errors import ReadError
from kiview.core.progress import NullProgress
from kiview.io.dicom_seg import list_segmentation, read_segmentation

UP = np.array([0.0, 0.0, 3.0])
ORGAN = Code("123037004", "SCT", "Anatomical Structure")
SHAPE = (7, 9, 11)
"""Odd, so that the bits of a frame do not fill whole bytes."""


def segments(path, *numbers):
    return read_segmentation(path, numbers, NullProgress())


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
    for _damage in damaged(path, 60, seed=23):
        with told_in_one_sentence():
            list_segmentation(path)
            segments(path, 1)
