"""PET in every lossless transfer syntax holds the same values; what loses values says so."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEGLSNearLossless
from tests.helpers.compression import LOSSLESS, compress_file, compress_object
from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.multiframe import read_slices, write_enhanced
from tests.helpers.phantoms import asymmetric_phantom, axial_affine

from kiview.core.errors import KiviewError
from kiview.core.study import Series, Verdict
from kiview.io import dicom_inflate
from kiview.jobs.open_study import OpenRequest, open_study

START_S, DURATION_S = np.array([20.0, 80.0]), np.array([60.0, 300.0])


def write(folder: Path, pattern: str = "ge") -> list[Path]:
    """Signed slices with a negative value and the largest one that 16 bits hold."""
    activity = asymmetric_phantom((3, 9, 14), 2)
    activity[:, :, 4, 5] = -1234.0
    return write_dynamic_series(folder, pattern, activity, axial_affine(), START_S, DURATION_S)


def read(folder: Path) -> Series:
    series = open_study(OpenRequest(folder)).main_series
    assert series is not None
    return series


def voxels(series: Series) -> np.ndarray:
    assert series.image is not None
    return np.stack([series.image.store.frame(t) for t in range(series.image.frame_count)])


def assert_same(one: Series, other: Series) -> None:
    np.testing.assert_array_equal(voxels(one), voxels(other))
    assert one.max_value == other.max_value
    assert one.findings == other.findings
    assert one.image is not None
    assert other.image is not None
    assert one.image.suv_factor == other.image.suv_factor


@pytest.mark.parametrize("name", LOSSLESS)
def test_that_compressed_slices_hold_the_same_values(name: str, tmp_path: Path) -> None:
    write(tmp_path / "plain")
    plain = read(tmp_path / "plain")
    for path in write(tmp_path / "compressed"):
        stored = pydicom.dcmread(path).PixelData
        compress_file(path, LOSSLESS[name])
        assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == LOSSLESS[name]
        assert stored not in path.read_bytes()
    assert voxels(plain).min() < 0
    assert_same(read(tmp_path / "compressed"), plain)


@pytest.mark.parametrize("name", LOSSLESS)
def test_that_compressed_frames_hold_the_same_values(name: str, tmp_path: Path) -> None:
    slices = read_slices(write(tmp_path / "classic", "siemens"))
    slices = [slices[i] for i in (4, 0, 2, 5, 1, 3)]

    def compress(ds: Dataset) -> None:
        compress_object(ds, slices, LOSSLESS[name], tmp_path)

    write_enhanced(tmp_path / "plain", [slices])
    paths = write_enhanced(tmp_path / "compressed", [slices], change=compress)
    assert pydicom.dcmread(paths[0]).file_meta.TransferSyntaxUID == LOSSLESS[name]
    assert_same(read(tmp_path / "compressed"), read(tmp_path / "plain"))
    np.testing.assert_array_equal(
        voxels(read(tmp_path / "compressed")), voxels(read(tmp_path / "classic"))
    )


def test_that_unsigned_values_of_twelve_bits_survive_too(tmp_path: Path) -> None:
    """BitsStored below BitsAllocated goes through pydicom, frame by frame."""

    def twelve_bits(ds: Dataset, _facts: object) -> None:
        stored = np.frombuffer(ds.PixelData, "<i2") // 16
        ds.PixelData = stored.astype("<u2").tobytes()
        ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 12, 11, 0

    paths = write_dynamic_series(
        tmp_path / "classic",
        "siemens",
        asymmetric_phantom((3, 9, 14), 2),
        axial_affine(),
        START_S,
        DURATION_S,
        change=twelve_bits,
    )
    slices = read_slices(paths)

    def compress(ds: Dataset) -> None:
        compress_object(ds, slices, LOSSLESS["JPEG-LS"], tmp_path)

    write_enhanced(tmp_path / "plain", [slices])
    write_enhanced(tmp_path / "compressed", [slices], change=compress)
    first = voxels(read(tmp_path / "classic"))
    np.testing.assert_array_equal(voxels(read(tmp_path / "plain")), first)
    np.testing.assert_array_equal(voxels(read(tmp_path / "compressed")), first)


def test_that_an_object_with_fewer_compressed_frames_than_it_says_is_refused(
    tmp_path: Path,
) -> None:
    slices = read_slices(write(tmp_path / "classic", "siemens"))

    def compress(ds: Dataset) -> None:
        compress_object(ds, slices[:-1], LOSSLESS["RLE"], tmp_path)

    write_enhanced(tmp_path / "enhanced", [slices], change=compress)
    with pytest.raises(KiviewError, match=r"fewer frames|cannot be read"):
        open_study(OpenRequest(tmp_path / "enhanced"))


def near_lossless(path: Path) -> None:
    ds = pydicom.dcmread(path)
    ds.compress(JPEGLSNearLossless, jls_error=3, generate_instance_uid=False)
    ds.save_as(path)


def said_to_be_lossy(path: Path) -> None:
    ds = pydicom.dcmread(path)
    ds.LossyImageCompression = "01"
    ds.save_as(path)


@pytest.mark.parametrize(
    ("lose", "how"), [(near_lossless, "JPEG-LS Lossy"), (said_to_be_lossy, "with loss:")]
)
def test_that_lossy_values_are_read_and_are_to_be_confirmed(
    lose: object, how: str, tmp_path: Path
) -> None:
    for path in write(tmp_path):
        lose(path)
    series = read(tmp_path)
    told = {finding.code: finding.message for finding in series.findings}
    assert how in told["values-lossy"]
    assert series.suv_verdict is Verdict.CONFIRM
    assert series.kinetics_verdict is Verdict.CONFIRM
    assert voxels(series).max() > 0


@pytest.mark.parametrize(
    ("uid", "name"),
    [
        ("1.2.840.10008.1.2.4.201", "High-Throughput JPEG 2000"),
        ("1.2.840.10008.1.2.4.102", "MPEG-4"),
        ("1.2.3.4.5", "1.2.3.4.5"),
    ],
)
def test_that_a_transfer_syntax_that_nobody_decodes_is_named(
    uid: str, name: str, tmp_path: Path
) -> None:
    for path in write(tmp_path):
        compress_file(path, LOSSLESS["RLE"])
        ds = pydicom.dcmread(path)
        ds.file_meta.TransferSyntaxUID = uid
        pydicom.dcmwrite(path, ds, little_endian=True, implicit_vr=False)
    with pytest.raises(KiviewError, match=name) as caught:
        open_study(OpenRequest(tmp_path))
    assert uid in str(caught.value)
    assert "cannot decode" in str(caught.value)


def test_that_a_deflated_file_that_grows_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dicom_inflate, "_HEADER_BYTES", 1 << 12)
    for path in write(tmp_path):
        ds = pydicom.dcmread(path)
        ds.PixelData = ds.PixelData + bytes(4 << 20)
        ds.file_meta.TransferSyntaxUID = LOSSLESS["deflated"]
        ds.save_as(path)
        assert path.stat().st_size < 1 << 16
    with pytest.raises(KiviewError, match="inflates to more"):
        open_study(OpenRequest(tmp_path))


def test_that_a_damaged_deflated_file_is_told(tmp_path: Path) -> None:
    paths = write(tmp_path)
    for path in paths:
        compress_file(path, LOSSLESS["deflated"])
    content = paths[0].read_bytes()
    paths[0].write_bytes(content[:-200])
    with pytest.raises(KiviewError, match=r"cannot be (read|inflated)"):
        open_study(OpenRequest(tmp_path))
