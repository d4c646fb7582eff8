"""A small dynamic study on disk whose Ki, V0 and blood are known, for the command line."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kiview.core.feng import FENG_FDG, feng_activity, feng_integral
from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.progress import NullProgress
from kiview.core.timing import FrameTiming
from kiview.core.tracer import F18_HALF_LIFE_S, Injection, Radionuclide
from kiview.core.units import ACTIVITY
from kiview.io.dicom_common import SeriesText
from kiview.io.dicom_pet_writer import Acquisition, DecayReference, write_dynamic_pet
from kiview.io.nifti_writer import write_nifti_volume
from tests.helpers.results import INJECTED, header, oblique_geometry

EDGES_MIN = np.array(
    [0, 0.5, 1, 1.5, 2, 3, 4, 5, 7.5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60]
)  # fmt: skip
BLOOD_BQML = 3000.0
V0 = 0.3


@dataclass(frozen=True)
class CliStudy:
    """Where the study and its region are, and what is true of it."""

    folder: Path
    aorta: Path
    plasma: Path
    geometry: VolumeGeometry
    ki: np.ndarray
    blood: np.ndarray
    blood_mean_bqml: np.ndarray


def write_cli_study(folder: Path) -> CliStudy:
    """Frames of an irreversible tracer at mid-frame, a block of blood, no noise."""
    geometry = oblique_geometry((6, 16, 20))
    start_s, duration_s = EDGES_MIN[:-1] * 60, np.diff(EDGES_MIN) * 60
    mid = EDGES_MIN[:-1] + np.diff(EDGES_MIN) / 2
    mean = BLOOD_BQML * np.diff(feng_integral(EDGES_MIN, FENG_FDG)) / np.diff(EDGES_MIN)
    ki = np.linspace(0.001, 0.08, 6 * 16 * 20).reshape(geometry.shape_zyx)
    plasma, integral = feng_activity(mid, FENG_FDG), feng_integral(mid, FENG_FDG)
    frames = BLOOD_BQML * (ki * integral[:, None, None, None] + V0 * plasma[:, None, None, None])
    blood = np.zeros(geometry.shape_zyx, bool)
    blood[1:4, 3:7, 4:8] = True
    frames[:, blood] = mean[:, None]
    image = DynamicImage(
        ScaledFrameStore(frames.astype(np.float32)),
        geometry,
        FrameTiming(start_s, duration_s),
        ACTIVITY,
        Injection(Radionuclide("18F", F18_HALF_LIFE_S), 3.7e8, "FDG"),
    )
    (folder / "study").mkdir(parents=True)
    acquisition = Acquisition(
        header=header(),
        injection_time=INJECTED,
        reference=DecayReference.START,
        text=SeriesText(description="Dynamic", number=3),
    )
    write_dynamic_pet(folder / "study", image, acquisition, NullProgress())
    mask = folder / "aorta.nii.gz"
    write_nifti_volume(mask, blood.astype(np.float32), geometry, "mask", NullProgress())
    table = folder / "plasma.tsv"
    time_s = np.unique(np.concatenate([np.arange(0, 300, 0.5), np.arange(300, 3601, 5.0)]))
    rows = zip(time_s, BLOOD_BQML * feng_activity(time_s / 60, FENG_FDG), strict=True)
    lines = ["time\tplasma_radioactivity", *(f"{t:g}\t{value:.9g}" for t, value in rows)]
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return CliStudy(folder / "study", mask, table, geometry, ki, blood, mean)
