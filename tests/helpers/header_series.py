"""PET series as headers in memory, with one stored value per image: rules are tried without files.

    series = read(pet("SIEMENS", start_s=[0, 60], duration_s=[60, 300]))

Times are those of the worked example of the SUV rule: injection at 10:00:00, series at 11:00:00.
Nothing of `kiview.io` goes into the columns.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kiview.core.progress import NullProgress
from kiview.core.study import Series
from kiview.io.dicom_headers import HeaderTable
from kiview.io.dicom_pet import ReadSeries, read_pet
from kiview.io.dicom_pixels import StoredPixels
from kiview.io.frame_store import VoxelCache
from kiview.io.overrides import parse_overrides
from kiview.io.scan import DicomSeriesFiles
from kiview.io.sop_classes import PET

HALF_LIFE_S = 6586.2
DOSE_BQ, WEIGHT_KG = 350e6, 70.0
SERIES_S = 3600.0
"""Series start in s from the injection."""
STORED = 10_000
"""In Bq/mL, an SUV of 2.9 to 5: nothing that is told as implausible."""
Columns = dict[str, Any]


def clock(seconds: float) -> str:
    """Time of day, `seconds` after the series start at 11:00:00."""
    micro = round((11 * 3600 + seconds) * 1e6) % 86_400_000_000
    whole = micro // 1_000_000
    return f"{whole // 3600:02d}{whole // 60 % 60:02d}{whole % 60:02d}.{micro % 1_000_000:06d}"


def per_image(values: ArrayLike, slices: int) -> NDArray[np.float64]:
    """(t x z,) of (t,) or (t, z) values; images lie frame by frame."""
    array = np.asarray(values, dtype=np.float64)
    return np.repeat(array, slices) if array.ndim == 1 else array.ravel()


def texts(values: ArrayLike, factor: float = 1.0) -> list[str]:
    """Numbers as DICOM writes them."""
    return [f"{factor * value:.10g}" for value in np.asarray(values, dtype=np.float64)]


def pet(
    maker: str = "SIEMENS",
    start_s: ArrayLike = (0.0, 60.0, 360.0),
    duration_s: ArrayLike = (60.0, 300.0, 300.0),
    slices: int = 2,
    **changes: str | Sequence[str] | None,
) -> Columns:
    """Columns of a series whose AcquisitionTime is the frame start.

    Args:
        maker: Manufacturer.
        start_s: (t,) or (t, z) frame starts in s from the series start.
        duration_s: Same shape.
        slices: Slices of a frame, where starts are (t,).
        **changes: Keyword -> text of all images, or one text per image; None takes it away.
    """
    shape = np.shape(start_s)
    slices = shape[1] if len(shape) == 2 else slices
    start, duration = per_image(start_s, slices), per_image(duration_s, slices)
    count = len(start)
    columns: Columns = {
        "SOPClassUID": PET,
        "SOPInstanceUID": [f"1.2.{i}" for i in range(count)],
        "Modality": "PT",
        "Manufacturer": maker,
        "PatientID": "1",
        "PatientWeight": "70",
        "SeriesDate": "20201217",
        "SeriesTime": "110000",
        "AcquisitionDate": "20201217",
        "AcquisitionTime": [clock(value) for value in start],
        "ActualFrameDuration": texts(duration, 1000),
        "SeriesType": "DYNAMIC\\IMAGE",
        "Units": "BQML",
        "DecayCorrection": "START",
        "CorrectedImage": "NORM\\DTIM\\ATTN\\SCAT\\DECY\\RAN",
        "RescaleSlope": "1",
        "RescaleIntercept": "0",
        "RadiopharmaceuticalStartTime": "100000",
        "RadionuclideTotalDose": "350000000",
        "RadionuclideHalfLife": "6586.2",
        "Radionuclide": "^18^Fluorine",
        "ImagePositionPatient": [f"0\\0\\{3 * (i % slices)}" for i in range(count)],
        "ImageOrientationPatient": "1\\0\\0\\0\\1\\0",
        "PixelSpacing": "2\\2",
        "SliceThickness": "3",
        "Rows": "2",
        "Columns": "3",
    }
    for name, value in changes.items():
        columns[name] = "" if value is None else value
    return columns


def table(columns: Columns) -> HeaderTable:
    """The columns as the reader has them."""
    count = max(len(value) for value in columns.values() if not isinstance(value, str))
    told = {n: v if isinstance(v, str) else list(v) for n, v in columns.items()}
    return HeaderTable(
        [f"im{i}" for i in range(count)], told, np.tile(np.array([1, 1, -1, 0]), (count, 1))
    )


def read_all(
    columns: Columns, stored: ArrayLike | None = None, **overrides: float | str
) -> ReadSeries:
    """Read a series by `read_pet`.

    Args:
        columns: Of `pet`.
        stored: (n,) stored value of each image, in the order of the columns; None takes `STORED`.
        **overrides: What the user enters.
    """
    headers = table(columns)
    values = np.full(len(headers), STORED) if stored is None else np.asarray(stored)

    def pixels(_headers: object, files: NDArray[np.int64], *_rest: object) -> StoredPixels:
        planes = values[files]
        voxels = np.broadcast_to(planes[:, :, None, None], (*planes.shape, 2, 3))
        return StoredPixels(np.array(voxels), planes.astype(float), planes.astype(float))

    with (
        patch("kiview.io.dicom_pet.load_pixels", pixels),
        patch("kiview.io.dicom_pet.refuse_changed_copies"),
    ):
        return read_pet(
            DicomSeriesFiles("1.2", PET, headers),
            parse_overrides(overrides),
            VoxelCache(Path("nowhere")),
            NullProgress(),
        )


def read(columns: Columns, stored: ArrayLike | None = None, **overrides: float | str) -> Series:
    """The series of `read_all`."""
    return read_all(columns, stored, **overrides).series


def codes(series: Series) -> set[str]:
    """Codes of the findings."""
    return {finding.code for finding in series.findings}


def starts(series: Series) -> NDArray[np.float64]:
    """(t,) or (t, z) frame starts in s from the series start."""
    assert series.image is not None
    return series.image.timing.start_s - SERIES_S


def values(series: Series) -> NDArray[np.float64]:
    """(t, z) value of each slice, in the series' quantity at the injection."""
    assert series.image is not None
    frames = [series.image.store.frame(t)[:, 0, 0] for t in range(series.image.frame_count)]
    return np.array(frames, dtype=np.float64)


def left(elapsed_s: ArrayLike) -> NDArray[np.float64]:
    """Share of activity that is left: 2 ** (-t / half-life)."""
    return np.asarray(2.0 ** (-np.asarray(elapsed_s, dtype=np.float64) / HALF_LIFE_S))


def frame_mean(start_s: ArrayLike, duration_s: ArrayLike) -> NDArray[np.float64]:
    """DecayFactor of a frame: exp(L t0) L T / (1 - exp(-L T)), L = ln 2 / half-life."""
    decay = np.log(2.0) / HALF_LIFE_S
    span = decay * np.asarray(duration_s, dtype=np.float64)
    return np.asarray(np.exp(decay * np.asarray(start_s)) * span / (1.0 - np.exp(-span)))
