"""Images and maps with known values and an oblique, anisotropic grid, and tools to check files."""

import subprocess
from datetime import datetime
from pathlib import Path

import nibabel
import numpy as np

from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage, MapSet, ParametricMap, ScaledFrameStore
from kiview.core.provenance import Provenance
from kiview.core.study import PatientInfo
from kiview.core.timing import FrameTiming
from kiview.core.tracer import F18_HALF_LIFE_S, Injection, Radionuclide
from kiview.core.units import ACTIVITY, KI, V0, Quantity
from kiview.io.dicom_common import SourceHeader, made_up_header
from tests.helpers.phantoms import asymmetric_phantom, oblique_affine
from tests.helpers.tools import require_tool

PATIENT = PatientInfo("ID-4711", "Secret^Patient", "F", 62.5, 1.68)
INJECTED = datetime(2026, 1, 5, 23, 58, 30)  # noqa: DTZ001 - DICOM times have no zone
INT16_SHARE = 1 / 65000
FRAME_OF_REFERENCE = "1.2.826.0.1.3680043.8.498.4711"


def oblique_geometry(shape_zyx=(5, 8, 11)) -> VolumeGeometry:
    return VolumeGeometry(shape_zyx, oblique_affine(), FRAME_OF_REFERENCE)


def dynamic_image(geometry=None, start_s=(30.0, 90.0, 270.0, 570.0)) -> DynamicImage:
    """Four frames in Bq/mL at injection."""
    geometry = geometry or oblique_geometry()
    values = asymmetric_phantom(geometry.shape_zyx).astype(np.float32)
    return DynamicImage(
        ScaledFrameStore(values),
        geometry,
        FrameTiming(start_s, [60.0, 180.0, 300.0, 600.0]),
        ACTIVITY,
        Injection(Radionuclide("18F", F18_HALF_LIFE_S), 3.7e8, "FDG"),
    )


def provenance(method="patlak", **changes) -> Provenance:
    record = {
        "software": "KiView 1.2.3",
        "settings": {"window_min": [30.0, 60.0]},
        "inputs": {"input_function": {"description": "image-derived, region aorta (25 voxels)"}},
    }
    return Provenance(method, **(record | changes))


MODIFIED = provenance(
    "network", network_id="ki-net-1", weight_set_id="abcdef0123456789", modified=True
)


def ki_map(made_by=None, quantity: Quantity = KI, geometry=None) -> ParametricMap:
    """Ki between -0.002 and 0.08, different in every voxel region, two voxels not fitted."""
    geometry = geometry or oblique_geometry()
    values = asymmetric_phantom(geometry.shape_zyx, 1)[0]
    values = (values / values.max() * 0.082 - 0.002).astype(np.float32)
    values[0, 0, 0] = values[3, 2, 1] = np.nan
    return ParametricMap(values, quantity, geometry, made_by or provenance())


def map_set(made_by=None) -> MapSet:
    return MapSet((ki_map(made_by), ki_map(made_by, V0)), ("The first frame was late.",))


def header() -> SourceHeader:
    extra = {
        "PatientPosition": "HFS",
        "BodyPartExamined": "CHEST",
        "Manufacturer": "Test scanners",
        "ManufacturerModelName": "Ring 1",
        "StudyDescription": "FDG dynamic",
    }
    return made_up_header(PATIENT, INJECTED, extra)


def dciodvfy_errors(path: Path) -> list[str]:
    """What the external checker objects to in one DICOM file."""
    done = subprocess.run(
        [require_tool("dciodvfy"), "-new", str(path)], capture_output=True, text=True, check=False
    )
    lines = (done.stdout + done.stderr).splitlines()
    assert any(line and not line.startswith("Warning") for line in lines), "it read no object"
    return [line for line in lines if line.startswith("Error")]


def converted_by_dcm2niix(source: Path, folder: Path):
    """The one volume that dcm2niix makes of a DICOM folder, as a nibabel image."""
    folder.mkdir()
    command = [require_tool("dcm2niix"), "-z", "n", "-f", "image", "-o", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    (image,) = folder.glob("*.nii")
    return nibabel.load(image)


def converted_by_plastimatch(source: Path, target: Path):
    """The volume that plastimatch makes of a DICOM folder, as a nibabel image."""
    command = [require_tool("plastimatch"), "convert"]
    command += ["--input", str(source), "--output-img", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return nibabel.load(target)


def sampled_at(image, geometry: VolumeGeometry) -> np.ndarray:
    """Values of a NIfTI image at the voxel centres of a grid, (z, y, x) or (t, z, y, x).

    Raises:
        AssertionError: a voxel centre lies more than 0.02 mm from the nearest of the image.
    """
    index = np.stack(np.indices(geometry.shape_zyx), axis=-1).reshape(-1, 3)
    lps = index @ geometry.affine_lps_mm[:3, :3].T + geometry.affine_lps_mm[:3, 3]
    ras = lps * [-1, -1, 1]
    found = nibabel.affines.apply_affine(np.linalg.inv(image.affine), ras)
    nearest = np.rint(found).astype(int)
    spacing = np.linalg.norm(image.affine[:3, :3], axis=0)
    assert np.abs((found - nearest) * spacing).max() < 0.02
    values = np.asanyarray(image.dataobj)[tuple(nearest.T)]
    return (
        np.moveaxis(values.reshape(*geometry.shape_zyx, *values.shape[1:]), 3, 0)
        if (values.ndim > 1)
        else values.reshape(geometry.shape_zyx)
    )


def slice_tolerance(values: np.ndarray) -> np.ndarray:
    """What int16 may lose: 1/65000 of the largest magnitude of each slice."""
    return INT16_SHARE * np.nanmax(np.abs(values), axis=(-2, -1), keepdims=True)
