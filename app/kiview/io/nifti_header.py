"""The header and the voxels of NIfTI files, in KiView's order and in LPS."""

import gzip
import logging
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import nibabel
import numpy as np
from nibabel import imageglobals
from numpy.typing import NDArray

from kiview.core.errors import KiviewError, ReadError, UnsupportedDataError
from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage
from kiview.core.progress import Progress
from kiview.core.study import Finding, Verdict
from kiview.io.arrival import Arrival
from kiview.io.dicom_meaning import finding
from kiview.io.frame_store import VoxelCache, VoxelWriter, cache_key, identity, refuse_changed

_LENGTH_IN_MM = {"meter": 1000.0, "mm": 1.0, "micron": 1e-3, "unknown": 1.0}
_SWAP_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_HTML_STARTS = (b"<!doc", b"<html", b"<?xml", b"<head")
_LARGEST_SIDE = 1 << 15
_EXTREMES = ("largest_t", "smallest_t")
"""Kept with the voxels, so that opening them again reads none."""
_MOST_PACKED = 1032
"""Bytes that one byte of a gzip file can hold at most (deflate)."""

# nibabel writes to the terminal what it finds odd in a header; what matters is told by KiView.
imageglobals.logger.handlers[:] = [logging.NullHandler()]


@dataclass(frozen=True, slots=True, eq=False)
class NiftiHeader:
    """What a NIfTI header says.

    Attributes:
        path: The image, or the header of a pair of files.
        voxels_path: The file with the voxels.
        geometry: Grid in LPS mm.
        frame_count: Number of volumes.
        dtype: Type as stored.
        offset: First byte of the voxels.
        slope: Factor, 1 where none is given.
        intercept: Offset, 0 where none is given.
        findings: What is not certain.
    """

    path: Path
    voxels_path: Path
    geometry: VolumeGeometry
    frame_count: int
    dtype: np.dtype[Any]
    offset: int
    slope: float
    intercept: float
    findings: tuple[Finding, ...]

    @property
    def shape_tzyx(self) -> tuple[int, int, int, int]:
        """Frames, slices, rows, columns."""
        return (self.frame_count, *self.geometry.shape_zyx)


def read_header(path: Path) -> NiftiHeader:
    """Read the header of a NIfTI image, or of an Analyze or NIfTI pair (`.hdr` and `.img`).

    Raises:
        ReadError: the file is no NIfTI image, or the other file of a pair is missing.
        UnsupportedDataError: it holds colours, complex numbers or more than four dimensions.
    """
    _refuse_web_page(path)
    try:
        image: Any = nibabel.load(path)
        header = image.header
        offset = int(image.dataobj.offset)
        slope, intercept = float(image.dataobj.slope), float(image.dataobj.inter)
        affine = np.asarray(image.affine, np.float64)
        shape = tuple(int(n) for n in image.shape)
        dtype = np.dtype(header.get_data_dtype())
        is_nifti = isinstance(image, nibabel.Nifti1Pair | nibabel.Nifti2Pair)
        length_unit = header.get_xyzt_units()[0] if is_nifti else "mm"
    except FileNotFoundError as error:
        raise ReadError(f"{path} lacks its other file (.hdr and .img); copy both.") from error
    except KiviewError:
        raise
    except Exception as error:  # nibabel raises many kinds on damaged files
        raise ReadError(f"{path} is no NIfTI image: {_short(error)}.") from error
    if not isinstance(image, nibabel.AnalyzeImage):  # NIfTI images are Analyze images too
        raise UnsupportedDataError(f"{path} is another format, no NIfTI or Analyze image.")
    sides = _sides(path, shape)
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise UnsupportedDataError(f"{path} holds {dtype} voxels, no plain numbers.")
    x, y, z = sides[:3]
    geometry = VolumeGeometry((z, y, x), lps_affine(affine, _LENGTH_IN_MM.get(length_unit, 1.0)))
    told = is_nifti and (header["sform_code"] > 0 or header["qform_code"] > 0)
    return NiftiHeader(
        path,
        Path(str(image.file_map["image"].filename)),
        geometry,
        sides[3],
        dtype,
        offset,
        slope,
        intercept,
        () if told else (_orientation_unknown(path, "NIfTI" if is_nifti else "Analyze"),),
    )


def lps_affine(affine_ras: NDArray[np.float64], mm: float = 1.0) -> NDArray[np.float64]:
    """(4, 4) from index (z, y, x, 1) to LPS mm, from NIfTI's index (x, y, z, 1) to RAS.

    Args:
        affine_ras: As NIfTI has it.
        mm: Length of its unit in mm.
    """
    affine = _SWAP_TO_LPS @ affine_ras
    affine = affine[:, [2, 1, 0, 3]]
    affine[:3] *= mm
    return affine


def _short(error: Exception) -> str:
    text = str(error).split("\n", maxsplit=1)[0]
    return text[:120].rstrip(".") or type(error).__name__


def _refuse_web_page(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise ReadError(f"{path} cannot be read ({error.strerror}).") from error
    if start.lstrip().lower()[:5] in _HTML_STARTS:
        raise ReadError(
            f"{path} is no NIfTI image but a web page, probably saved instead of the data; download"
            " the image again."
        )
    if not start:
        raise ReadError(f"{path} is empty; copy it again.")


def _sides(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    while len(shape) > 4 and shape[-1] == 1:
        shape = shape[:-1]
    if not 3 <= len(shape) <= 4:
        raise UnsupportedDataError(f"{path} has {len(shape)} dimensions; 3 or 4 are read.")
    if min(shape) < 1 or max(shape) > _LARGEST_SIDE:
        raise ReadError(f"{path} has the impossible shape {shape}.")
    x, y, z, t = (*shape, 1)[:4]
    return x, y, z, t


def _orientation_unknown(path: Path, kind: str) -> Finding:
    why = "sform and qform code 0" if kind == "NIfTI" else "an Analyze header cannot"
    message = (
        f"{path.name} does not say how it lies in the patient ({why}): left and right may be"
        " exchanged. Compare it with another image."
    )
    return finding("orientation-unknown", message, (Verdict.CONFIRM, Verdict.CONFIRM))


@dataclass(frozen=True, slots=True, eq=False)
class StoredVoxels:
    """Voxels of an image.

    Attributes:
        voxels: (t, z, y, x) as stored, memory-mapped when large.
        largest_t: (t,) largest stored value of each frame, NaN where every voxel is.
        smallest_t: (t,) smallest.
    """

    voxels: NDArray[Any]
    largest_t: NDArray[np.float64]
    smallest_t: NDArray[np.float64]

    def largest(self, slope: float, intercept: float) -> float | None:
        """Largest value of the image, None where every voxel is NaN."""
        ends = np.concatenate([self.largest_t, self.smallest_t]) * slope + intercept
        return None if np.isnan(ends).all() else float(np.nanmax(ends))


def load_voxels(
    header: NiftiHeader, cache: VoxelCache, progress: Progress, early: DynamicImage | None = None
) -> StoredVoxels:
    """Read all voxels, or find them in the cache, where large ones are kept.

    Late frames are read first where the file is not packed. The image itself is never mapped: a
    file that shrinks or vanishes would end the program.

    Args:
        header: Of the image.
        cache: Where large series are kept.
        progress: Told at each frame, and offered what can be shown already.
        early: What is known before the voxels, to show frame by frame; None to show nothing.

    Raises:
        ReadError: the file is cut off or damaged, or there is no room for the voxels.
    """
    is_packed = header.voxels_path.name.lower().endswith(".gz")
    files = dict.fromkeys((header.path, header.voxels_path))
    identities = [identity(file) for file in files]
    key = cache_key(identities)
    found = cache.find(key)
    if found is not None and found[0].shape == header.shape_tzyx and "largest_t" in found[1]:
        return StoredVoxels(found[0], *(np.array(found[1][name]) for name in _EXTREMES))
    _refuse_cut_off(header, is_packed)
    count = header.frame_count
    ends = np.full((2, count), np.nan)
    try:
        with (
            gzip.open(header.voxels_path, "rb")
            if is_packed
            else header.voxels_path.open("rb") as file,
            cache.create(key, header.shape_tzyx, header.dtype.newbyteorder("=")) as writer,
        ):
            arrival = Arrival(early, writer, progress)
            for done, t in enumerate(range(count) if is_packed else reversed(range(count))):
                progress.step(done / count, f"Reading frame {t + 1} of {count}")
                ends[:, t] = _read_frame(cast("BinaryIO", file), header, writer, t)
                arrival.add(t, header.shape_tzyx[1])
            refuse_changed(identities)
            record = dict(zip(_EXTREMES, ends.tolist(), strict=True))
            return StoredVoxels(writer.finish(record), *ends)
    except (OSError, EOFError, zlib.error) as error:
        raise ReadError(f"{header.voxels_path} is damaged: {_short(error)}.") from error


def _refuse_cut_off(header: NiftiHeader, is_packed: bool) -> None:
    """Refuse a file that is too short for what its header claims, before room is made for it."""
    voxel_bytes = math.prod(header.shape_tzyx) * header.dtype.itemsize
    held = header.voxels_path.stat().st_size * (_MOST_PACKED if is_packed else 1)
    if header.offset < 0 or header.offset + voxel_bytes > held:
        raise _cut_off(header.voxels_path)


def _read_frame(
    file: BinaryIO, header: NiftiHeader, writer: VoxelWriter, t: int
) -> tuple[float, float]:
    """Bring one frame into the store; returns its largest and smallest value."""
    z, y, x = header.geometry.shape_zyx
    slice_bytes = y * x * header.dtype.itemsize
    largest, smallest = [], []
    file.seek(header.offset + t * z * slice_bytes)
    for k in range(z):
        data = file.read(slice_bytes)
        if len(data) != slice_bytes:
            raise _cut_off(header.voxels_path)
        plane = np.frombuffer(data, header.dtype).astype(writer.voxels.dtype, copy=False)
        writer.put(t, k, plane.reshape(y, x))
        largest.append(np.fmax.reduce(plane))
        smallest.append(np.fmin.reduce(plane))
    return float(np.fmax.reduce(largest)), float(np.fmin.reduce(smallest))


def _cut_off(path: Path) -> ReadError:
    return ReadError(f"{path} is cut off: it holds fewer voxels than it says; copy it again.")
