"""Headers of ECAT 7 volumes (`.v`), in KiView's order, units and patient space.

Layout and field names are those of `nibabel.ecat`. The list of frames is read here and not by
`nibabel.ecat.read_mlist`, which never ends on a list that points back to itself.

Sources: `nibabel.ecat`; CTI `matrix.h` for the bits of `corrections_applied`; dcm2niix
`nii_foreign.cpp` (which follows SPM), PET2BIDS `ecat2nii.py` and MINC `ecattominc.c` for the
directions. All four put the first plane at the head, and x to the left, y to the back of a patient
who lies head first and supine.
"""

import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from nibabel.ecat import EcatHeader as NibabelHeader
from nibabel.ecat import subhdr_dtype
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError, ReadError, UnsupportedDataError
from kiview.core.geometry import VolumeGeometry
from kiview.io.image_kinds import ImageKind, kind_of

BLOCK = 512
"""Bytes of a block; blocks are counted from 1."""
DECAY_BIT = 1 << 9
ATTENUATION_BITS = 0b110
_LIST_ROWS = 31
_MOST_FRAMES = 4096
_EXISTS = (1, 2)
_MM_PER_CM = 10.0
_LARGEST_SIDE = 1 << 13
_READ_TYPES: dict[int, tuple[str, type[np.generic]]] = {
    1: ("byte", np.uint8),
    5: ("IEEE float", np.float32),
    6: ("Sun short", np.int16),
    7: ("Sun long", np.int32),
}
_SMALLEST_VOXEL_MM, _LARGEST_VOXEL_MM = 0.01, 100.0


@dataclass(frozen=True, slots=True, eq=False)
class EcatFrames:
    """What the subheaders say, in order of time.

    Attributes:
        offset: First byte of the voxels of each frame.
        start_s: (t,) from the scan start.
        duration_s: (t,).
        scale: (t,) factor from stored values, without the calibration.
        decay_factor: (t,) as the file says, 0 where it says nothing.
        corrections: Bits of what was corrected, 0 where the file says nothing.
        has_offsets: Whether the volume was shifted in its field of view when reconstructed.
    """

    offset: tuple[int, ...]
    start_s: NDArray[np.float64]
    duration_s: NDArray[np.float64]
    scale: NDArray[np.float64]
    decay_factor: NDArray[np.float64]
    corrections: int
    has_offsets: bool

    @property
    def count(self) -> int:
        """Number of frames."""
        return len(self.offset)


@dataclass(frozen=True, slots=True, eq=False)
class EcatFile:
    """An ECAT 7 volume without its voxels.

    Attributes:
        path: The file.
        main: Fields of the main header by nibabel's names.
        frames: The frames.
        geometry: Grid in LPS mm, centred on the volume: the file does not say where it is in a
            frame of reference.
        dtype: Type as stored.
        missing_frames: How many frames fewer there are than the main header says.
    """

    path: Path
    main: NibabelHeader
    frames: EcatFrames
    geometry: VolumeGeometry
    dtype: np.dtype[Any]
    missing_frames: int

    @property
    def shape_tzyx(self) -> tuple[int, int, int, int]:
        """Frames, slices, rows, columns."""
        return (self.frames.count, *self.geometry.shape_zyx)

    def text(self, name: str) -> str:
        """A text of the main header; empty where absent or `unknown`."""
        raw = bytes(self.main[name].item()).split(b"\0")[0]
        text = "".join(c for c in raw.decode("latin-1") if c.isprintable()).strip()
        return "" if text.lower() in ("unknown", "n/a") else text

    def number(self, name: str) -> float:
        """A number of the main header, 0 where it is absent or no number."""
        value = float(self.main[name].item())
        return value if np.isfinite(value) else 0.0


def open_ecat(path: Path) -> BinaryIO:
    """Open an ECAT file, packed or not."""
    return cast("BinaryIO", gzip.open(path, "rb") if is_packed(path) else path.open("rb"))


def is_packed(path: Path) -> bool:
    """Whether the file is compressed."""
    return path.name.lower().endswith(".gz")


def read_ecat_header(path: Path) -> EcatFile:
    """Read main header, list of frames and subheaders.

    Raises:
        ReadError: the file is no ECAT 7 volume, cut off or damaged.
        UnsupportedDataError: it holds gates, several beds or numbers of a VAX.
    """
    kind = kind_of(path)
    if kind is not ImageKind.ECAT:
        raise UnsupportedDataError(f"{path} is no ECAT 7 image volume ({kind}).")
    try:
        with open_ecat(path) as file:
            block = _block(file, 1, path)
            main = NibabelHeader(block, check=False)  # type: ignore[no-untyped-call]  # nibabel
            rows = _frame_rows(file, main.endianness, path)
            dtype = subhdr_dtype.newbyteorder(main.endianness)
            parts = [np.frombuffer(_block(file, row[1], path), dtype, 1)[0] for row in rows]
    except (OSError, EOFError, zlib.error) as error:
        raise ReadError(f"{path} cannot be read or is damaged: {_short(error)}.") from error
    order = np.argsort([int(part["frame_start_time"]) for part in parts], kind="stable")
    rows, parts = [rows[i] for i in order], [parts[i] for i in order]
    shape_zyx, number_type = _shape_and_type(path, parts)
    voxels = _voxel_type(path, number_type).newbyteorder(main.endianness)
    missing = max(int(main["num_frames"]) - len(rows), 0)
    frames = _frames(path, rows, parts)
    return EcatFile(path, main, frames, _geometry(path, parts[0], shape_zyx), voxels, missing)


def _short(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:120]


def _block(file: BinaryIO, number: int, path: Path) -> bytes:
    file.seek((number - 1) * BLOCK)
    data = file.read(BLOCK)
    if len(data) != BLOCK:
        raise _cut_off(path)
    return data


def _cut_off(path: Path) -> ReadError:
    return ReadError(f"{path} is cut off: it ends before its frames do; copy it again.")


def _frame_rows(file: BinaryIO, endian: str, path: Path) -> list[tuple[int, int]]:
    """(matrix id, block of the subheader) of every frame that exists."""
    rows: list[tuple[int, int]] = []
    seen: set[int] = set()
    number = 2
    while number not in seen:
        seen.add(number)
        words = struct.unpack(f"{endian}128i", _block(file, number, path))
        used = words[3]
        if not 0 <= used <= _LIST_ROWS or words[0] + used != _LIST_ROWS:
            raise _damaged(path, "its list of frames")
        listed = [words[4 * i : 4 * i + 4] for i in range(1, used + 1)]
        rows += [(row[0], row[1]) for row in listed if row[0] > 0 and row[3] in _EXISTS]
        number = words[1]
        if number <= 2:
            break
    else:
        raise _damaged(path, "its list of frames, which points back to itself,")
    if not rows or len(rows) > _MOST_FRAMES or min(row[1] for row in rows) < 2:
        raise _damaged(path, "its list of frames")
    _refuse_gates_and_beds(path, [row[0] for row in rows])
    return rows


def _damaged(path: Path, what: str) -> ReadError:
    return ReadError(f"{path} is damaged: {what} cannot be right; copy it again.")


def _refuse_gates_and_beds(path: Path, ids: list[int]) -> None:
    """Matrix ids hold the gate in bits 24-29 and the bed in bits 12-15 (CTI `matrix.h`)."""
    for name, values in (
        ("gates", {(one >> 24) & 0x3F for one in ids}),
        ("bed positions", {(one >> 12) & 0xF for one in ids}),
    ):
        if len(values) > 1:
            raise UnsupportedDataError(
                f"{path} holds {len(values)} {name}, which is no plain time course; write one file"
                " for each."
            )


def _shape_and_type(path: Path, parts: list[Any]) -> tuple[tuple[int, int, int], int]:
    names = ("z_dimension", "y_dimension", "x_dimension", "data_type")
    found = {tuple(int(part[name]) for name in names) for part in parts}
    if len(found) > 1:
        raise UnsupportedDataError(f"{path} has frames of different size or number type.")
    z, y, x, number_type = found.pop()
    if min(z, y, x) < 1 or max(z, y, x) > _LARGEST_SIDE:
        raise _damaged(path, f"its size of {x} x {y} x {z} voxels")
    return (z, y, x), number_type


def _voxel_type(path: Path, number_type: int) -> np.dtype[Any]:
    if number_type not in _READ_TYPES:
        known = ", ".join(name for name, _ in _READ_TYPES.values())
        raise UnsupportedDataError(
            f"{path} holds numbers of type {number_type}, not one of {known}; convert it."
        )
    return np.dtype(_READ_TYPES[number_type][1])


def _frames(path: Path, rows: list[tuple[int, int]], parts: list[Any]) -> EcatFrames:
    def column(name: str) -> NDArray[np.float64]:
        return np.array([float(part[name]) for part in parts])

    scale, factor = column("scale_factor"), column("decay_corr_fctr")
    if not np.isfinite(scale).all() or (scale < 0).any():
        raise _damaged(path, "a scale factor")
    corrections = {int(part["corrections_applied"]) for part in parts}
    if len(corrections) > 1:
        raise InvalidInputError(f"{path} has frames with different corrections; separate them.")
    shifts = [column(f"{axis}_offset") for axis in "xyz"]
    return EcatFrames(
        # The subheader fills one block; the voxels begin with the next.
        offset=tuple(row[1] * BLOCK for row in rows),
        start_s=column("frame_start_time") / 1000.0,
        duration_s=column("frame_duration") / 1000.0,
        scale=scale,
        decay_factor=np.where(np.isfinite(factor) & (factor > 0), factor, 0.0),
        corrections=corrections.pop(),
        has_offsets=any(shift.any() for shift in shifts),
    )


def _geometry(path: Path, part: Any, shape_zyx: tuple[int, int, int]) -> VolumeGeometry:  # noqa: ANN401
    """Index z counts from the feet here, so planes are turned round when they are read."""
    names = ("z_pixel_size", "y_pixel_size", "x_pixel_size")
    z, y, x = (_MM_PER_CM * float(part[name]) for name in names)
    if not all(_SMALLEST_VOXEL_MM <= side <= _LARGEST_VOXEL_MM for side in (z, y, x)):
        raise _damaged(path, f"its voxel size of {x:g} x {y:g} x {z:g} mm")
    affine = np.zeros((4, 4))
    affine[0, 2], affine[1, 1], affine[2, 0], affine[3, 3] = x, y, z, 1.0
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape_zyx) - 1) / 2)
    return VolumeGeometry(shape_zyx, affine)
