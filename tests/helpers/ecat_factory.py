"""ECAT 7 volumes written byte by byte, as a scanner would."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.ecat import hdr_dtype, subhdr_dtype
from numpy.typing import NDArray

BLOCK = 512
SIZE_CM = (0.327, 0.25, 0.175)
"""Distance of planes, rows, columns."""
F18_S = 6586.2
SCAN_START = 1_556_622_282
MAIN: dict[str, Any] = {
    "magic_number": b"MATRIX72v",
    "sw_version": 72,
    "system_type": 962,
    "file_type": 7,
    "scan_start_time": SCAN_START,
    "dose_start_time": SCAN_START,
    "isotope_name": b"F-18",
    "isotope_halflife": F18_S,
    "radiopharmaceutical": b"FDG",
    "ecat_calibration_factor": 2.0e6,
    "calibration_unitS": 1,
    "calibration_units_type": 1,
    "patient_orientation": 3,
    "patient_id": b"ID-47",
    "patient_name": b"Zebra^Ida",
    "patient_weight": 70.0,
    "study_description": b"FDG dynamic",
    "num_gates": 1,
    "data_units": b"Bq/cc",
}
CORRECTED = 0b1110000011
"""Normalization, measured attenuation, 3D scatter, arc, decay."""
UNCORRECTED_FOR_DECAY = CORRECTED & ~512
START_S, DURATION_S = [0.0, 30.0, 90.0], [30.0, 60.0, 300.0]
"""Of the three frames of `written`."""
SCALE = [1e-4, 2e-4, 5e-4]
CALIBRATION = 2.0e6


def decay_factors(start_s: NDArray[np.float64], duration_s: NDArray[np.float64], half_life_s=F18_S):
    """Mean decay over each frame from the scan start, by fine sums."""
    factors = []
    for start, duration in zip(start_s, duration_s, strict=True):
        times = start + (np.arange(20000) + 0.5) / 20000 * duration
        factors.append(1.0 / np.mean(2.0 ** (-times / half_life_s)))
    return np.array(factors)


def write_ecat(
    path: Path,
    stored: NDArray[Any],
    start_s: list[float],
    duration_s: list[float],
    scale: list[float] | None = None,
    **fields: Any,
) -> Path:
    """Write a volume.

    Args:
        path: Target.
        stored: (t, plane, row, column) in the order of the file, int16 or float32.
        start_s: Frame starts from the scan start.
        duration_s: Frame durations.
        scale: Scale factor per frame, 1 where absent.
        fields: Of the main header; besides `sub`, fields of all subheaders, `order`, in which order
            the frames lie in the file, and `ids`, their matrix ids (frame t + 1, plane 1, gate 1).
    """
    frames, planes, rows, columns = stored.shape
    sub, order, ids = (fields.pop(name, None) for name in ("sub", "order", "ids"))
    header = np.zeros((), hdr_dtype.newbyteorder(">"))
    for name, value in (MAIN | {"num_frames": frames, "num_planes": planes} | fields).items():
        header[name] = value
    factors = decay_factors(np.array(start_s), np.array(duration_s))
    blocks = -(-stored[0].size * stored.itemsize // BLOCK)
    body, listed, block = b"", [], 3
    for t in order if order is not None else range(frames):
        part = np.zeros((), subhdr_dtype.newbyteorder(">"))
        values = {
            "data_type": 6 if stored.dtype.kind == "i" else 5,
            "num_dimensions": 3,
            "z_dimension": planes, "y_dimension": rows, "x_dimension": columns,
            "z_pixel_size": SIZE_CM[0], "y_pixel_size": SIZE_CM[1], "x_pixel_size": SIZE_CM[2],
            "scale_factor": 1.0 if scale is None else scale[t],
            "frame_start_time": round(start_s[t] * 1000),
            "frame_duration": round(duration_s[t] * 1000),
            "decay_corr_fctr": factors[t],
            "corrections_applied": CORRECTED,
        } | (sub or {})  # fmt: skip
        for name, value in values.items():
            part[name] = value
        data = stored[t].astype(stored.dtype.newbyteorder(">")).tobytes()
        body += part.tobytes().ljust(BLOCK, b"\0")[:BLOCK] + data.ljust(blocks * BLOCK, b"\0")
        number = (1 << 24) + (1 << 16) + t + 1 if ids is None else ids[t]
        listed.append((number, block, block + blocks, 1))
        block += blocks + 1
    parts = [listed[i : i + 31] for i in range(0, frames, 31)]
    places = [2, *range(block, block + len(parts) - 1)]
    lists = []
    for part, following in zip(parts, [*places[1:], 2], strict=True):
        rows_ = [(31 - len(part), following, 0, len(part)), *part]
        lists.append(b"".join(struct.pack(">4i", *row) for row in rows_).ljust(BLOCK, b"\0"))
    main = header.tobytes().ljust(BLOCK, b"\0")[:BLOCK]
    path.write_bytes(main + lists[0] + body + b"".join(lists[1:]))
    return path


def stored(frames: int = 3, shape: tuple[int, int, int] = (4, 5, 6)) -> np.ndarray:
    """Different in every voxel, (t, plane, row, column)."""
    ramp = np.arange(np.prod(shape)).reshape(shape)
    return np.stack([100 * (t + 1) + 7 * ramp for t in range(frames)]).astype(np.int16)


def written(folder: Path, **changes: Any) -> Path:
    """A file of three small frames; `changes` are what `write_ecat` takes."""
    fields: dict[str, Any] = {"scale": SCALE} | changes
    frames = fields.pop("stored", stored())
    start_s, duration_s = fields.pop("start_s", START_S), fields.pop("duration_s", DURATION_S)
    return write_ecat(folder / "pet.v", frames, start_s, duration_s, **fields)
