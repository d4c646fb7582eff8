"""A dynamic PET as NIfTI with a BIDS sidecar."""

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from tests.helpers.phantoms import asymmetric_phantom, axial_affine

START_S = [0.0, 30.0, 90.0, 390.0]
DURATION_S = [30.0, 60.0, 300.0, 300.0]
SIDECAR: dict[str, Any] = {
    "Manufacturer": "Siemens",
    "Units": "Bq/mL",
    "TracerName": "FDG",
    "TracerRadionuclide": "F18",
    "InjectedRadioactivity": 350.0,
    "InjectedRadioactivityUnits": "MBq",
    "TimeZero": "10:35:12",
    "ScanStart": 0,
    "InjectionStart": 0,
    "FrameTimesStart": START_S,
    "FrameDuration": DURATION_S,
    "ImageDecayCorrected": True,
    "ImageDecayCorrectionTime": 0,
}
RAS_OF_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def write_nifti(
    folder: Path,
    activity: NDArray[Any] | None = None,
    affine: NDArray[np.float64] | None = None,
    name: str = "pet.nii.gz",
    **changes: Any,
) -> Path:
    """Write (t, z, y, x) activity as NIfTI (x, y, z, t) with its affine in RAS."""
    values = asymmetric_phantom() if activity is None else activity
    lps = axial_affine() if affine is None else affine
    image = nibabel.Nifti1Image(
        values.astype(np.float32).transpose(), RAS_OF_LPS @ lps[:, [2, 1, 0, 3]]
    )
    image.header["pixdim"][4] = 330000.0
    folder.mkdir(exist_ok=True)
    nibabel.save(image, folder / name)
    record = {key: value for key, value in (SIDECAR | changes).items() if value is not None}
    (folder / "pet.json").write_text(json.dumps(record), encoding="utf-8")
    return folder / name
