"""Pixels that changed after the headers were read."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.opening import read, refusal
from tests.helpers.phantoms import QUANTUM_BQML, asymmetric_phantom, axial_affine

from kiview.core.errors import ReadError
from kiview.core.progress import NullProgress
from kiview.io.dicom_headers import HeaderTable, read_header
from kiview.io.dicom_pixels import load_pixels
from kiview.io.frame_store import VoxelCache


def table(folder: Path) -> HeaderTable:
    paths = write_dynamic_series(
        folder,
        "siemens",
        asymmetric_phantom((2, 4, 5), 1),
        axial_affine(),
        [0.0],
        [60.0],
        quantum_bqml=QUANTUM_BQML,
    )
    headers = [read_header(path) for path in paths]
    return HeaderTable.from_headers([header for header in headers if header is not None])


def load(headers: HeaderTable, folder: Path) -> np.ndarray:
    files = np.array([[0, 1]])
    return load_pixels(headers, files, VoxelCache(folder), NullProgress()).voxels


def test_that_pixels_by_pydicom_equal_the_fast_ones(tmp_path: Path) -> None:
    headers = table(tmp_path / "d")
    fast = load(headers, tmp_path)
    headers.pixel_offset[:] = -1
    np.testing.assert_array_equal(load(headers, tmp_path), fast)


def edit(path: Path, change: Callable[[Any], None]) -> None:
    ds = pydicom.dcmread(path)
    change(ds)
    ds.save_as(path)


def without_syntax(path: Path) -> None:
    ds = pydicom.dcmread(path)
    del ds.file_meta.TransferSyntaxUID
    ds.save_as(path, implicit_vr=True, little_endian=True, enforce_file_format=False)


def test_that_files_without_a_transfer_syntax_are_implicit_little_endian(tmp_path: Path) -> None:
    headers = table(tmp_path / "d")
    expected = load(headers, tmp_path)
    for path in headers.paths:
        without_syntax(Path(path))
    again = [read_header(path) for path in headers.paths]
    reread = HeaderTable.from_headers([header for header in again if header is not None])
    np.testing.assert_array_equal(load(reread, tmp_path), expected)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def shrink(path: Path) -> None:
    ds = pydicom.dcmread(path)
    ds.Rows, ds.PixelData = 2, ds.PixelData[:20]
    ds.save_as(path)


@pytest.mark.parametrize("harm", [Path.unlink, cut])
def test_that_files_lost_or_cut_after_the_scan_are_told(
    harm: Callable[[Path], None], tmp_path: Path
) -> None:
    headers = table(tmp_path / "d")
    harm(Path(headers.paths[1]))
    with pytest.raises(ReadError):
        load(headers, tmp_path)


def test_that_pixels_of_another_shape_than_the_header_are_told(tmp_path: Path) -> None:
    headers = table(tmp_path / "d")
    headers.pixel_offset[:] = -1
    shrink(Path(headers.paths[0]))
    with pytest.raises(ReadError, match="another shape"):
        load(headers, tmp_path)


def blacken(ds: Any) -> None:
    ds.PixelData = bytes(len(ds.PixelData))


@pytest.mark.parametrize("bits", [16, 12])  # read at once, or by pydicom
def test_that_a_copy_with_other_pixels_is_refused_and_a_true_one_ignored(
    bits: int, tmp_path: Path
) -> None:
    def store(ds: Any, _slice: Any) -> None:
        ds.BitsStored, ds.HighBit = bits, bits - 1
        ds.PixelData = (np.frombuffer(ds.PixelData, "<i2") // 100).tobytes()

    activity = asymmetric_phantom((2, 4, 5), 1)
    paths = write_dynamic_series(
        tmp_path, "siemens", activity, axial_affine(), [0.0], [60.0], change=store
    )
    shutil.copy(paths[0], tmp_path / "zz")
    assert {one.code for one in read(tmp_path).findings} >= {"copies-ignored"}
    edit(tmp_path / "zz", blacken)
    told = refusal(tmp_path)
    assert f"{tmp_path / 'zz'} has the SOPInstanceUID" in told
    assert f"of {paths[0]} but other pixels" in told
