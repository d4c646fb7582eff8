"""Reading DICOM against pydicom's headers and against dcm2niix, on the same files."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pydicom

from kiview.io.scan import scan
from kiview.jobs.open_study import OpenRequest, open_study
from tests.benchmarks.measure import Ratio, fastest_s
from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.phantoms import axial_affine

FRAMES, SLICES, SIDE = 40, 100, 128
WHOLE_BODY_FILES = 69 * 645


def write_study(folder: Path) -> list[Path]:
    """A dynamic series of 4,000 files."""
    volume = np.random.default_rng(0).random((1, SLICES, SIDE, SIDE)) * 1e4
    start = np.arange(FRAMES) * 60.0 + 5.0
    duration = np.full(FRAMES, 60.0)
    activity = np.broadcast_to(volume, (FRAMES, *volume.shape[1:]))
    return write_dynamic_series(folder, "siemens", activity, axial_affine(), start, duration)


def headers(folder: Path, paths: list[Path]) -> list[Ratio]:
    """Scan of the folder against a plain loop over pydicom's headers."""

    def plain() -> None:
        for path in paths:
            pydicom.dcmread(path, stop_before_pixels=True)

    plain_s, scan_s = fastest_s(plain, 3), fastest_s(lambda: scan(folder), 3)
    return [
        Ratio("pydicom headers / scan of the same folder", plain_s / scan_s, ">= 5"),
        Ratio("scan, files/s", len(paths) / scan_s, ""),
    ]


def whole_import(folder: Path) -> list[Ratio]:
    """Scan, decode and store on disk against dcm2niix, and the opening after that."""

    def read(cache: Path) -> None:
        open_study(OpenRequest(folder, {}, cache, memory_limit_bytes=0))

    def first() -> None:
        with tempfile.TemporaryDirectory() as cache:
            read(Path(cache))

    first_s = fastest_s(first, 3)
    with tempfile.TemporaryDirectory() as cache:
        again_s = fastest_s(lambda: read(Path(cache)), 3)
    rows = [
        Ratio(
            f"second opening, s (scaled to {WHOLE_BODY_FILES} files)",
            again_s * WHOLE_BODY_FILES / (FRAMES * SLICES),
            "<= 1",
        ),
        Ratio("import, files/s", FRAMES * SLICES / first_s, ""),
    ]
    if shutil.which("dcm2niix") is None:
        return [*rows, Ratio("dcm2niix not installed", float("nan"), ">= 1")]
    return [
        *rows,
        Ratio("dcm2niix / import of the same files", dcm2niix_s(folder) / first_s, ">= 1"),
    ]


def dcm2niix_s(folder: Path) -> float:
    """Wall time of a conversion without compression."""

    def convert() -> None:
        with tempfile.TemporaryDirectory() as target:
            command = ["dcm2niix", "-z", "n", "-f", "image", "-o", target, str(folder)]
            subprocess.run(command, check=True, capture_output=True)

    return fastest_s(convert, 3)


def run() -> list[Ratio]:
    """All figures."""
    with tempfile.TemporaryDirectory() as folder:
        paths = write_study(Path(folder))
        return headers(Path(folder), paths) + whole_import(Path(folder))
