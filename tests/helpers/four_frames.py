"""Four frames of the phantom in any vendor's tags, begun 20 s after the injection."""

from pathlib import Path

import numpy as np

from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.dicom_patterns.facts import SeriesSpec
from tests.helpers.phantoms import QUANTUM_BQML, asymmetric_phantom, axial_affine

START_S = np.array([20.0, 30.5, 90.5, 390.5])
DURATION_S = np.array([10.5, 60.0, 300.0, 300.0])
SPEC = SeriesSpec(quantum_bqml=QUANTUM_BQML)
SUV_PER_BQML = 70_000.0 / 350e6


def write(folder: Path, vendor: str, spec: SeriesSpec = SPEC, **options: object) -> Path:
    """The folder with single-slice files; `options` change the phantom, the times or the spec."""
    activity = options.pop("activity", asymmetric_phantom())
    affine = options.pop("affine", axial_affine())
    start, duration = options.pop("start", START_S), options.pop("duration", DURATION_S)
    fields = {**vars(spec), **options}
    write_dynamic_series(folder, vendor, activity, affine, start, duration, **fields)
    return folder
