"""Pixels of single-slice DICOM files into a (t, z, y, x) array of their own type."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from kiview.core.errors import ReadError, UnsupportedDataError
from kiview.core.progress import Progress
from kiview.io.dicom_headers import HeaderTable
from kiview.io.frame_store import VoxelCache, cache_key

_UNCOMPRESSED = ("", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
_REPORT_EVERY = 100


@dataclass(frozen=True, slots=True, eq=False)
class StoredPixels:
    """Pixels of a series.

    Attributes:
        voxels: (t, z, y, x) as stored, memory-mapped when large.
        largest_tz: (t, z) largest stored value of each slice.
        smallest_tz: (t, z) smallest.
    """

    voxels: NDArray[Any]
    largest_tz: NDArray[np.float64]
    smallest_tz: NDArray[np.float64]


def load_pixels(
    headers: HeaderTable, files: NDArray[np.int64], cache: VoxelCache, progress: Progress
) -> StoredPixels:
    """Read all slices, or find them in the cache.

    Args:
        headers: Of the series.
        files: (t, z) index of files.
        cache: Where large series are kept.
        progress: Told now and then.

    Raises:
        ReadError: pixels are damaged, missing or cannot be decompressed.
        UnsupportedDataError: colour or multi-frame pixels.
    """
    _refuse_other_pixels(headers)
    dtype = _pixel_type(headers)
    shape = (*files.shape, int(headers.numbers("Rows")[0]), int(headers.numbers("Columns")[0]))
    key = cache_key(headers.identities(files.ravel().tolist()))
    found = cache.find(key)
    if found is not None and found[0].dtype == dtype and found[0].shape == shape:
        largest, smallest = (np.array(found[1][name]) for name in ("largest_tz", "smallest_tz"))
        return StoredPixels(found[0], largest, smallest)
    with cache.create(key, shape, dtype) as writer:
        largest, smallest = np.empty(files.shape), np.empty(files.shape)
        for number, (t, z) in enumerate(np.ndindex(*files.shape)):
            if number % _REPORT_EVERY == 0:
                progress.step(number / files.size, f"Reading slices, {number} of {files.size}")
            plane = _plane(headers, int(files[t, z]), dtype, shape[2:])
            writer.voxels[t, z] = plane
            largest[t, z], smallest[t, z] = plane.max(), plane.min()
        extremes = {"largest_tz": largest.tolist(), "smallest_tz": smallest.tolist()}
        voxels = writer.finish(extremes)
    return StoredPixels(voxels, largest, smallest)


def _refuse_other_pixels(headers: HeaderTable) -> None:
    if (headers.numbers("SamplesPerPixel") > 1).any():
        raise UnsupportedDataError("The series holds colour pictures, no measured values.")
    if (headers.numbers("NumberOfFrames") > 1).any():
        raise UnsupportedDataError(
            "The files hold several slices each, which KiView does not read for this kind of image;"
            " export single-slice files."
        )


def _pixel_type(headers: HeaderTable) -> np.dtype[Any]:
    """Type that holds the stored values of all files."""
    bits = headers.numbers("BitsAllocated")
    strange = bits[~np.isin(bits, (8, 16, 32))]
    if len(strange):
        told = "of unknown size" if np.isnan(strange[0]) else f"of {strange[0]:g} bits"
        raise UnsupportedDataError(f"The series has pixels {told}, which are not read.")
    signed = headers.numbers("PixelRepresentation")
    kinds = {("i" if s == 1 else "u", int(b) // 8) for s, b in set(zip(signed, bits, strict=True))}
    types = [np.dtype(f"<{kind}{size}") for kind, size in kinds]
    return np.dtype(np.result_type(*types))


def _plane(
    headers: HeaderTable, index: int, dtype: np.dtype[Any], shape: tuple[int, int]
) -> NDArray[Any]:
    """One slice (y, x) as stored."""
    path = headers.paths[index]
    if headers.pixel_offset[index] >= 0 and _is_plain(headers, index):
        return _read_plain(path, headers, index, shape)
    return _read_with_pydicom(path, dtype, shape)


def _is_plain(headers: HeaderTable, index: int) -> bool:
    """Whether all allocated bits are the value."""
    return bool(
        headers.numbers("BitsAllocated")[index] == headers.numbers("BitsStored")[index] == 16
    )


def _read_plain(
    path: str, headers: HeaderTable, index: int, shape: tuple[int, int]
) -> NDArray[Any]:
    kind = "<i2" if headers.numbers("PixelRepresentation")[index] == 1 else "<u2"
    count = shape[0] * shape[1]
    try:
        pixels = np.fromfile(path, kind, count, offset=int(headers.pixel_offset[index]))
    except OSError as error:
        raise ReadError(f"{path} cannot be read ({error.strerror}).") from error
    if len(pixels) != count or headers.pixel_length[index] < 2 * count:
        raise ReadError(f"{path} holds too few pixels for {shape[0]} x {shape[1]}; copy it again.")
    return pixels.reshape(shape)


def _read_with_pydicom(path: str, dtype: np.dtype[Any], shape: tuple[int, int]) -> NDArray[Any]:
    try:
        dataset = pydicom.dcmread(path, force=True)
        if "TransferSyntaxUID" not in dataset.file_meta:
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
        pixels = dataset.pixel_array
    except Exception as error:  # decoders raise many kinds on damaged pixels
        raise ReadError(
            f"The pixels of {path} cannot be read ({type(error).__name__}); copy it again or export"
            " the series uncompressed."
        ) from error
    if pixels.shape != shape or not np.can_cast(pixels.dtype, dtype):
        raise ReadError(f"{path} holds pixels of another shape or type than its series.")
    return np.asarray(pixels)
