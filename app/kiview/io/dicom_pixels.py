"""Pixels of DICOM slices into a (t, z, y, x) array of their own type, one slice at a time."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import UID

from kiview.core.errors import KiviewError, ReadError, UnsupportedDataError
from kiview.core.images import DynamicImage
from kiview.core.progress import Progress
from kiview.core.study import Finding, Verdict
from kiview.io.arrival import Arrival
from kiview.io.dicom_fast import DEFLATED, one_line
from kiview.io.dicom_headers import FRAME, HeaderTable
from kiview.io.dicom_inflate import inflated
from kiview.io.frame_store import VoxelCache, cache_key, refuse_changed
from kiview.io.read_ahead import read_ahead

_UNCOMPRESSED = ("", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", DEFLATED, "1.2.840.10008.1.2.2")
_LOSSY = frozenset(
    (
        "1.2.840.10008.1.2.4.50",  # JPEG baseline
        "1.2.840.10008.1.2.4.51",  # JPEG extended
        "1.2.840.10008.1.2.4.81",  # JPEG-LS near-lossless
        "1.2.840.10008.1.2.4.91",  # JPEG 2000
        "1.2.840.10008.1.2.4.93",  # JPEG 2000 part 2
        "1.2.840.10008.1.2.4.112",  # JPEG XL
        "1.2.840.10008.1.2.4.203",  # high-throughput JPEG 2000
    )
)
"""Transfer syntaxes that need not give back the values that were measured."""
_LONGEST_SYNTAX = 100
_REPORT_EVERY = 100
_FRAME_BYTES = 16 << 10
"""What the header of one frame may take in a deflated file."""


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
    headers: HeaderTable,
    files: NDArray[np.int64],
    cache: VoxelCache,
    progress: Progress,
    image: DynamicImage | None = None,
) -> StoredPixels:
    """Read all slices, late frames first, or find them in the cache.

    Args:
        headers: Of the series.
        files: (t, z) index of files.
        cache: Where large series are kept.
        progress: Told now and then, and offered what can be shown already.
        image: What is known before the voxels, to show frame by frame; None to show nothing.

    Raises:
        ReadError: pixels are damaged, missing or cannot be decompressed.
        UnsupportedDataError: colour or multi-frame pixels.
    """
    _refuse_other_pixels(headers)
    _refuse_unknown_compression(headers)
    dtype = _pixel_type(headers)
    shape = (*files.shape, int(headers.numbers("Rows")[0]), int(headers.numbers("Columns")[0]))
    identities = headers.identities(files.ravel().tolist())
    key = cache_key(identities)
    found = cache.find(key)
    if found is not None and found[0].dtype == dtype and found[0].shape == shape:
        largest, smallest = (np.array(found[1][name]) for name in ("largest_tz", "smallest_tz"))
        return StoredPixels(found[0], largest, smallest)
    found_planes = _planes(headers, files, dtype, shape[2:])
    ahead = read_ahead((where, one, one.max(), one.min()) for where, one in found_planes)
    with cache.create(key, shape, dtype) as writer, closing(ahead) as planes:
        arrival = Arrival(image, writer, progress)
        largest, smallest = np.empty(files.shape), np.empty(files.shape)
        for number, (place, plane, *ends) in enumerate(planes):
            if number % _REPORT_EVERY == 0:
                progress.step(number / files.size, f"Reading slices, {number} of {files.size}")
            writer.put(*place, plane)
            arrival.add(place[0])
            largest[place], smallest[place] = ends
        refuse_changed(identities)
        extremes = {"largest_tz": largest.tolist(), "smallest_tz": smallest.tolist()}
        voxels = writer.finish(extremes)
    return StoredPixels(voxels, largest, smallest)


def refuse_changed_copies(
    headers: HeaderTable, copies: tuple[tuple[int, int], ...], progress: Progress
) -> None:
    """Refuse files that are copies of others by their headers but hold other pixels.

    Args:
        headers: Of the series.
        copies: (copy, original) index of files.
        progress: Told now and then.

    Raises:
        ReadError: nobody knows which of two images is the right one.
    """
    if not copies:
        return
    _refuse_other_pixels(headers)
    _refuse_unknown_compression(headers)
    shape = (int(headers.numbers("Rows")[0]), int(headers.numbers("Columns")[0]))
    dtype = _pixel_type(headers)
    for number, pair in enumerate(copies):
        if number % _REPORT_EVERY == 0:
            progress.step(0.0, f"Comparing copies, {number} of {len(copies)}")
        planes = [plane for _, plane in _planes(headers, np.array([pair]), dtype, shape)]
        if not all(np.array_equal(plane, planes[0]) for plane in planes):
            one, other = (headers.paths[index] for index in pair)
            raise ReadError(
                f"{one} has the SOPInstanceUID, position and time of {other} but other pixels, so"
                " KiView cannot tell which is right; remove one of them."
            )


def lossy_findings(headers: HeaderTable) -> tuple[Finding, ...]:
    """Whether compression may have changed the values."""
    syntaxes = [uid for uid in headers.distinct("TransferSyntaxUID") if uid in _LOSSY]
    if "01" not in headers.distinct("LossyImageCompression") and not syntaxes:
        return ()
    how = f" ({UID(syntaxes[0]).name})" if syntaxes else ""
    message = (
        f"The images were compressed with loss{how}: their values are not those that the scanner"
        " measured. Open the original series, or confirm that the difference does not matter."
    )
    return (Finding("values-lossy", message, Verdict.CONFIRM, Verdict.CONFIRM),)


def _refuse_unknown_compression(headers: HeaderTable) -> None:
    for uid in headers.distinct("TransferSyntaxUID"):
        if uid in _UNCOMPRESSED:
            continue
        try:
            is_known = get_decoder(uid).is_available
        except NotImplementedError:
            is_known = False
        if not is_known:
            name = UID(uid).name
            told = one_line(f"{name} ({uid})" if name != uid else uid)[:_LONGEST_SYNTAX]
            raise UnsupportedDataError(
                f"The pixels are stored as {told}, which KiView cannot decode; export the series"
                " uncompressed."
            )


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


def _planes(
    headers: HeaderTable, files: NDArray[np.int64], dtype: np.dtype[Any], shape: tuple[int, int]
) -> Iterator[tuple[tuple[int, int], NDArray[Any]]]:
    """((t, z), slice (y, x) as stored) of all slices, file by file, late frames first."""
    of_file: dict[str, dict[int, tuple[int, int]]] = {}
    frames = np.nan_to_num(headers.numbers(FRAME)).astype(int)
    for early, z in np.ndindex(*files.shape):
        t = len(files) - 1 - early
        row = int(files[t, z])
        of_file.setdefault(headers.paths[row], {})[int(frames[row])] = (t, z)
    for path, places in of_file.items():
        rows = {frame: int(files[place]) for frame, place in places.items()}
        if all(_is_plain(headers, row) for row in rows.values()):
            for frame, row in rows.items():
                yield places[frame], _read_plain(path, headers, row, shape)
            continue
        for frame, plane in _decoded(path, headers, rows, shape):
            if plane.shape != shape or not np.can_cast(plane.dtype, dtype):
                raise ReadError(f"{path} holds pixels of another shape or type than its series.")
            yield places[frame], plane


def _is_plain(headers: HeaderTable, index: int) -> bool:
    """Whether the pixels lie in the file as they are, and all allocated bits are the value."""
    return bool(
        headers.pixel_offset[index] >= 0
        and headers.numbers("BitsAllocated")[index] == headers.numbers("BitsStored")[index] == 16
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


def _decoded(
    path: str, headers: HeaderTable, rows: dict[int, int], shape: tuple[int, int]
) -> Iterator[tuple[int, NDArray[Any]]]:
    """(frame, slice) of the wanted frames of a file that pydicom must decode, one at a time."""
    any_row = next(iter(rows.values()))
    try:
        if headers.text_at("TransferSyntaxUID", any_row) == DEFLATED:
            bits = int(headers.numbers("BitsAllocated")[any_row])
            most = len(headers) * (shape[0] * shape[1] * bits // 8 + _FRAME_BYTES)
            with inflated(path, most) as plain:
                yield from _frames(str(plain), headers, rows)
        else:
            yield from _frames(path, headers, rows)
    except KiviewError:
        raise
    except Exception as error:  # decoders raise many kinds on damaged pixels
        raise ReadError(
            f"The pixels of {path} cannot be read ({type(error).__name__}); copy it again or export"
            " the series uncompressed."
        ) from error


def _frames(
    path: str, headers: HeaderTable, rows: dict[int, int]
) -> Iterator[tuple[int, NDArray[Any]]]:
    if not headers.text_at(FRAME, next(iter(rows.values()))):
        dataset = pydicom.dcmread(path, force=True)
        if "TransferSyntaxUID" not in dataset.file_meta:
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
        yield 0, np.asarray(dataset.pixel_array)
        return
    missing = set(rows)
    for frame, plane in enumerate(iter_pixels(path, raw=True)):
        if frame in missing:
            missing.remove(frame)
            yield frame, plane
    if missing:
        raise ReadError(f"{path} holds fewer frames than it says; copy it again.")
