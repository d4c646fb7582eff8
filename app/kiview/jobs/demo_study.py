"""The demo study: simulated once, written as DICOM, then kept.

Beside the series lies `demo.json`: where the aorta is, the true blood curve, and the true Ki of the
large tumour, so that anybody can check what the program finds.
"""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kiview.core import roi
from kiview.core.errors import ReadError
from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.progress import Progress
from kiview.core.roi import Roi
from kiview.core.roi_shapes import Cylinder, Sphere
from kiview.core.study import PatientInfo
from kiview.core.tracer import F18_HALF_LIFE_S, Injection, Radionuclide
from kiview.core.units import ACTIVITY
from kiview.io.dicom_common import SeriesText, made_up_header
from kiview.io.dicom_ct_writer import write_ct
from kiview.io.dicom_pet_writer import Acquisition, DecayReference, write_dynamic_pet
from kiview.io.staging import staged
from kiview.simulate.demo_torso import LARGE_LESION
from kiview.simulate.kinetics import patlak_basis
from kiview.simulate.recipe import recipe_text
from kiview.simulate.scan import (
    CONFIG_VERSION,
    DEMO_SEED,
    ScanConfig,
    ScanSimulation,
    demo_config,
    simulate_scan,
)
from kiview.simulate.shapes import Tube

DESCRIPTION = "demo.json"
SHOWN_LESIONS = 3
LESION_COLOURS = ("#4cc2ff", "#4cd964", "#ffb340")
_INNER_SHARE = 0.7
_FORMAT = 1
_SIMULATION_SHARE = 0.8
_WATER_PER_MM = 0.0096
_AORTA_Z_MM = (35.0, 85.0)
_AORTA_RADIUS_MM = 6.0
_HEADER = {
    "BodyPartExamined": "CHEST",
    "PatientPosition": "HFS",
    "StudyDescription": "KiView demo",
}
_INJECTED = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)


def ensure_demo_study(
    folder: Path, progress: Progress, config: ScanConfig | None = None, seed: int = DEMO_SEED
) -> Path:
    """Make the demo study if it is not there yet.

    Args:
        folder: Where it is kept; a study of an older version there is replaced.
        progress: Told all the time; may stop the work, and then nothing is left.
        config: Another scan than the usual one, for tests.
        seed: Of everything random.

    Returns:
        `folder`, with `pet/`, `ct/` and `demo.json`.

    Raises:
        ExportError: the folder cannot be written.
        Cancelled: the user stopped the work.
    """
    chosen = config or demo_config()
    if _stamp(chosen, seed) == _known_stamp(folder):
        return folder
    scan = simulate_scan(chosen, seed, progress.child(0.0, _SIMULATION_SHARE))
    with staged(folder.with_name(folder.name + ".new")) as place:
        _write(place, scan, progress.child(_SIMULATION_SHARE, 1.0))
        (place / DESCRIPTION).write_text(json.dumps(_description(scan), indent=1), encoding="utf-8")
    if folder.exists():
        shutil.rmtree(folder)
    folder.with_name(folder.name + ".new").rename(folder)
    return folder


def read_description(folder: Path) -> dict[str, Any]:
    """What is known about a demo study: see `demo.json`.

    Raises:
        ReadError: the folder holds no demo study.
    """
    try:
        content = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ReadError(
            f"{folder} holds no demo study ({error}); delete it to make one."
        ) from error
    if not isinstance(content, dict):
        raise ReadError(f"{folder / DESCRIPTION} describes no demo study; delete it to make one.")
    return content


def find_aorta(folder: Path) -> Cylinder | None:
    """A cylinder inside the descending aorta of a demo study; None for any other folder."""
    try:
        regions = roi.from_dict(read_description(folder)["regions"])
    except (ReadError, KeyError):
        return None
    return next((r.shape for r in regions if isinstance(r.shape, Cylinder)), None)


def demo_regions(folder: Path) -> tuple[Roi, ...]:
    """Regions to start with: the aorta and the inside of the largest solid tumours.

    Args:
        folder: The demo study; any other folder gives no regions.
    """
    try:
        description = read_description(folder)
        aorta = roi.from_dict(description["regions"])
        solid = [each for each in description["lesions"] if _is_solid(each)]
        lesions = [_lesion_region(*each) for each in enumerate(solid)]
    except (ReadError, KeyError):
        return ()
    return (*aorta, *lesions[:SHOWN_LESIONS])


def _is_solid(lesion: dict[str, Any]) -> bool:
    """Whether one Ki holds for the inside of a tumour."""
    return not lesion["necrotic"] and lesion["kind"] != "cold"


def _lesion_region(number: int, lesion: dict[str, Any]) -> Roi:
    """A ball well inside a tumour, so that its edge does not count."""
    diameter_mm = float(lesion["diameter_mm"])
    ball = Sphere(tuple(lesion["centre_lps_mm"]), _INNER_SHARE * diameter_mm / 2)
    name = f"Lesion {diameter_mm:.0f} mm"
    return Roi(f"demo-lesion-{number + 1}", name, LESION_COLOURS[number % 3], ball)


def aorta_cylinder(scan: ScanSimulation) -> Cylinder:
    """A cylinder of 12 mm diameter and 50 mm length along the descending aorta."""
    tube = next(part.shape for part in scan.phantom.parts if part.name == "aorta")
    if not isinstance(tube, Tube):
        raise ReadError("The demo person has no aorta.")
    points = np.asarray(tube.points, dtype=np.float64)[:, :3]
    descending = points[np.argmax(points[:, 2]) :]
    descending = descending[np.argsort(descending[:, 2])]
    line = [
        (*(float(np.interp(z, descending[:, 2], descending[:, i])) for i in (0, 1)), z)
        for z in _AORTA_Z_MM
    ]
    return Cylinder(tuple(line), _AORTA_RADIUS_MM)


def _write(place: Path, scan: ScanSimulation, progress: Progress) -> None:
    config = scan.config
    patient = PatientInfo("KIVIEW-DEMO", "Demo^Torso", "O", config.weight_kg, 1.75)
    extra = {
        "BodyPartExamined": "CHEST",
        "PatientPosition": "HFS",
        "StudyDescription": "KiView demo",
    }
    header = made_up_header(patient, _INJECTED, extra)
    injection = Injection(Radionuclide("18F", F18_HALF_LIFE_S), config.injected_bq, "FDG")
    image = DynamicImage(
        ScaledFrameStore(scan.frames_bqml), scan.geometry, scan.timing, ACTIVITY, injection
    )
    acquisition = Acquisition(
        header=header,
        injection_time=_INJECTED,
        reference=DecayReference.START,
        text=SeriesText(description="Simulated FDG dynamic", number=2),
    )
    ct = place / "ct"
    ct.mkdir()
    text = SeriesText(description="Simulated attenuation", number=1)
    write_ct(ct, _hounsfield(scan.attenuation_per_mm), scan.geometry, header, text)
    pet = place / "pet"
    pet.mkdir()
    write_dynamic_pet(pet, image, acquisition, progress)


def _hounsfield(attenuation_per_mm: NDArray[np.float32]) -> NDArray[np.float32]:
    """Water at 511 keV reads 0, air -1000."""
    return np.asarray(1000 * (attenuation_per_mm / np.float32(_WATER_PER_MM) - 1), np.float32)


def _stamp(config: ScanConfig, seed: int) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "simulation": CONFIG_VERSION,
        "seed": seed,
        "config": recipe_text(config),
    }


def _known_stamp(folder: Path) -> object:
    try:
        return read_description(folder).get("made_by")
    except ReadError:
        return None


def _description(scan: ScanSimulation) -> dict[str, Any]:
    aorta = Roi("demo-aorta", "Aorta", "#e05555", aorta_cylinder(scan))
    blood_bqml = patlak_basis(scan.plasma, scan.timing)[1]
    return {
        "made_by": _stamp(scan.config, scan.seed),
        "regions": roi.to_dict((aorta,)),
        "blood": {
            "unit": "Bq/mL, mean over each frame, decay-corrected to injection",
            "start_s": scan.timing.start_s.tolist(),
            "duration_s": scan.timing.duration_s.tolist(),
            "mean": [float(value) for value in blood_bqml],
        },
        "large_lesion": LARGE_LESION,
        "lesions": [
            {
                "centre_lps_mm": list(lesion.centre_lps_mm),
                "diameter_mm": lesion.diameter_mm,
                "kind": lesion.kind,
                "necrotic": lesion.necrotic,
                "ki_per_min": lesion.ki,
            }
            for lesion in scan.lesions
        ],
    }
