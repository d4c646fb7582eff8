"""Functional groups in every encoding, in damaged files, and without much memory."""

import contextlib
import tracemalloc
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from tests.helpers.compression import LOSSLESS, compress_object
from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.multiframe import read_slices, write_enhanced
from tests.helpers.phantoms import asymmetric_phantom, axial_affine

from kiview.core.errors import KiviewError
from kiview.io.dicom_groups import MultiFrameObject, read_groups
from kiview.io.dicom_headers import read_header
from kiview.jobs.open_study import OpenRequest, open_study

START_S, DURATION_S = np.array([20.0, 80.0]), np.array([60.0, 300.0])


def slices(folder: Path, shape: tuple[int, int, int] = (3, 4, 5)) -> list[Dataset]:
    phantom = asymmetric_phantom(shape, 2)
    affine = axial_affine()
    return read_slices(
        write_dynamic_series(folder, "siemens", phantom, affine, START_S, DURATION_S)
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("groups")
    return write_enhanced(folder / "enhanced", [slices(folder / "classic")])[0]


def of_unknown_length(ds: Dataset) -> None:
    for element in ds:
        if isinstance(element.value, Sequence):
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
                of_unknown_length(item)


def parts(found: MultiFrameObject) -> tuple[object, ...]:
    return found.agents, found.shared, found.frames, found.pixel_length


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("unknown_length", [False, True])
def test_that_groups_are_the_same_in_every_little_endian_encoding(
    syntax: str, unknown_length: bool, written: Path, tmp_path: Path
) -> None:
    ds = pydicom.dcmread(written)
    if unknown_length:
        of_unknown_length(ds)
    ds.file_meta.TransferSyntaxUID = syntax
    path = tmp_path / "other.dcm"
    ds.save_as(path, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True)
    found = read_groups(str(path))
    assert parts(found) == parts(read_groups(str(written)))
    first = np.fromfile(path, "<i2", 20, offset=found.pixel_offset)
    np.testing.assert_array_equal(first, ds.pixel_array[0].ravel())


def test_that_groups_hold_what_pydicom_reads(written: Path) -> None:
    ds, found = pydicom.dcmread(written), read_groups(str(written))
    assert len(found.frames) == ds.NumberOfFrames == 6
    for values, group in zip(found.frames, ds.PerFrameFunctionalGroupsSequence, strict=True):
        content = group.FrameContentSequence[0]
        assert values["FrameAcquisitionDateTime"] == content.FrameAcquisitionDateTime
        assert float(values["FrameAcquisitionDuration"]) == content.FrameAcquisitionDuration
        assert int(values["TemporalPositionIndex"]) == content.TemporalPositionIndex
        slope = group.RealWorldValueMappingSequence[0].RealWorldValueSlope
        assert float(values["Mappings"][0]["RealWorldValueSlope"]) == slope
        position = [float(part) for part in values["ImagePositionPatient"].split("\\")]
        assert position == [float(v) for v in group.PlanePositionSequence[0].ImagePositionPatient]
    (agent,) = found.agents
    assert agent["Radionuclide"] == "^18^Fluorine"
    assert agent["RadionuclideTotalDose"] == "350"


def test_that_headers_of_multi_frame_objects_end_before_the_groups(written: Path) -> None:
    header = read_header(written)
    assert header is not None
    assert header.text("NumberOfFrames") == "6"
    assert header.text("DecayCorrected") == "YES"
    assert header.pixel_offset == -1
    assert header.text("ImagePositionPatient") == ""


def test_that_big_endian_objects_are_refused_in_a_sentence(written: Path, tmp_path: Path) -> None:
    ds = pydicom.dcmread(written)
    ds.PixelData = ds.pixel_array.astype(">i2").tobytes()
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    list(ds.iterall())  # read before it is written in the other order
    pydicom.dcmwrite(
        tmp_path / "big.dcm", ds, implicit_vr=False, little_endian=False, force_encoding=True
    )
    with pytest.raises(KiviewError, match="byte order"):
        open_study(OpenRequest(tmp_path))


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_that_damaged_groups_raise_nothing_but_errors_for_the_user(
    data: st.DataObject, written: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(written.read_bytes())
    begin = content.index(b"\x00\x52\x29\x92")
    at = data.draw(st.integers(begin, len(content) - 1))
    if data.draw(st.booleans()):
        del content[at:]
    else:
        content[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "one.dcm"
    path.write_bytes(content)
    for read in (read_groups, lambda name: open_study(OpenRequest(Path(name)))):
        with contextlib.suppress(KiviewError):
            read(str(path))


@pytest.mark.parametrize("name", ["", "JPEG-LS", "deflated"])
def test_that_a_series_is_never_in_memory_as_a_whole(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "enhanced"
    found = slices(tmp_path / "classic", (40, 128, 128))

    def compress(ds: Dataset) -> None:
        if name:
            compress_object(ds, found, LOSSLESS[name], tmp_path)

    write_enhanced(folder, [found], change=compress)
    whole = 2 * 40 * 128 * 128 * 2
    request = OpenRequest(folder, {}, tmp_path / "cache", memory_limit_bytes=1000)
    tracemalloc.start()
    try:
        assert open_study(request).main_series is not None
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < whole, (peak, whole)
