"""Three frames of a small phantom in any vendor's tags, begun 5 s after the injection."""

from pathlib import Path
from typing import Any

from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.phantoms import QUANTUM_BQML, asymmetric_phantom, axial_affine

SHAPE = (4, 5, 6)
START_S, DURATION_S = [5.0, 35.0, 95.0], [30.0, 60.0, 300.0]
PHANTOM = asymmetric_phantom(SHAPE, 3)


def write(folder: Path, vendor: str = "siemens", **options: Any) -> list[Path]:
    """Single-slice files; `options` change the phantom, the times or fields of `SeriesSpec`."""
    activity = options.pop("activity", PHANTOM)
    start = options.pop("start", START_S[: len(activity)])
    duration = options.pop("duration", DURATION_S[: len(activity)])
    options.setdefault("quantum_bqml", QUANTUM_BQML)
    options.setdefault("scan_start_s", 5.0)
    return write_dynamic_series(
        folder, vendor, activity, axial_affine(), start, duration, **options
    )
