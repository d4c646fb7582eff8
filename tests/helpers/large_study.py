"""Writes a dynamic PET series of any size as fast as the disk takes it.

Headers come from `dicom_factory`, one per frame; what differs from slice to slice is put into them
at fixed places. All frames hold the same stored voxels, each with a slope of its own.
"""

import io
import struct
import tempfile
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import ArrayLike, NDArray
from pydicom.dataset import Dataset
from pydicom.valuerep import format_number_as_ds

from tests.helpers.dicom_factory import write_dynamic_series

_UID_MARK, _NUMBER_MARK = "100000", "000000"
"""Last part of the SOP instance UID, and the instance number, of no slice."""
_POSITION_MARK = "+00000.000"


def write_large_series(
    folder: Path,
    stored_zyx: NDArray[np.int16],
    slope_bqml: ArrayLike,
    affine_lps_mm: NDArray[np.float64],
    start_s: NDArray[np.float64],
    duration_s: NDArray[np.float64],
) -> list[Path]:
    """Write one file per frame and slice.

    Args:
        folder: Made if absent.
        stored_zyx: (z, y, x) stored voxels, the same in every frame.
        slope_bqml: (t,) Bq/mL of stored value 1 at the injection.
        affine_lps_mm: (4, 4), axial slices: only the third coordinate moves with z.
        start_s: (t,) frame starts from the injection; the first is 0, the decay reference.
        duration_s: (t,).

    Returns:
        Paths in the order t, z.
    """
    folder.mkdir(parents=True, exist_ok=True)
    slices = len(stored_zyx)
    planes = [plane.astype("<i2").tobytes() for plane in stored_zyx]
    paths = []
    with tempfile.TemporaryDirectory() as place:
        nothing = np.zeros((len(start_s), 1, 2, 2))
        empty = write_dynamic_series(
            Path(place), "siemens", nothing, affine_lps_mm, start_s, duration_s
        )
        for t, (path, slope) in enumerate(zip(empty, np.asarray(slope_bqml), strict=True)):
            ds = pydicom.dcmread(path)
            ds.Rows, ds.Columns = stored_zyx.shape[1:]
            ds.RescaleSlope = format_number_as_ds(float(slope))
            header = _Header(ds, len(planes[0]))
            for z, plane in enumerate(planes):
                position = affine_lps_mm[2] @ [z, 0, 0, 1]
                paths.append(folder / f"IM{t * slices + z:06d}")
                paths[-1].write_bytes(header.of(z, t * slices + z + 1, position) + plane)
    return paths


class _Header:
    """Bytes of a file up to its pixels."""

    def __init__(self, ds: Dataset, pixel_bytes: int) -> None:
        uid = f"{ds.SOPInstanceUID[:56]}.{_UID_MARK}"
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = uid
        ds.InstanceNumber = _NUMBER_MARK
        x, y, _ = ds.ImagePositionPatient
        ds.ImagePositionPatient = [x, y, _POSITION_MARK]
        ds.PixelData = b"\0\0"
        written = io.BytesIO()
        ds.save_as(written, enforce_file_format=True)
        self._bytes = bytearray(written.getvalue()[:-2])
        self._bytes[-4:] = struct.pack("<I", pixel_bytes)
        uids = [f".{_UID_MARK}", f".{_UID_MARK}"]
        self._places = [self._find(mark, after) for mark, after in zip(uids, (0, 400), strict=True)]
        self._position = self._find(_POSITION_MARK)
        number = self._bytes.find(b"\x20\x00\x13\x00IS")
        self._number = self._find(_NUMBER_MARK, number)

    def _find(self, mark: str, after: int = 0) -> int:
        place = self._bytes.find(mark.encode(), after)
        if place < 0:
            raise ValueError(f"the header lacks {mark}")
        return place

    def of(self, z: int, number: int, position_mm: float) -> bytes:
        """The header of one slice."""
        texts = [(place, f".1{z:05d}") for place in self._places]
        texts += [(self._number, f"{number:06d}"), (self._position, f"{position_mm:+010.3f}")]
        for place, text in texts:
            self._bytes[place : place + len(text)] = text.encode()
        return bytes(self._bytes)
