"""Write a parametric map as NIfTI with a JSON sidecar.

The volume is streamed slice by slice: float32, NaN kept, sform and qform in scanner mm (RAS).
"""

import gzip
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from kiview.core.geometry import VolumeGeometry
from kiview.core.images import ParametricMap
from kiview.core.progress import Progress
from kiview.core.provenance import JsonValue
from kiview.io.dicom_common import RESEARCH_USE
from kiview.io.map_record import (
    derivation_text,
    input_function_record,
    method_name,
    series_description,
    version_mark,
    window_min,
)

SCANNER_COORDINATES = 1
COMPRESSION_LEVEL = 3
"""Noise does not shrink further at higher levels, it only takes longer."""


def ras_affine_mm(geometry: VolumeGeometry) -> NDArray[np.float64]:
    """(4, 4) affine from index (x, y, z, 1) to RAS mm, as NIfTI has it."""
    affine = geometry.affine_lps_mm[:, [2, 1, 0, 3]].copy()
    affine[:2] *= -1.0
    return affine


def write_nifti_map(
    folder: Path,
    stem: str,
    parametric_map: ParametricMap,
    findings: tuple[str, ...],
    progress: Progress,
) -> tuple[Path, Path]:
    """Write `stem.nii.gz` and `stem.json`.

    Args:
        folder: Existing folder.
        stem: File name without ending.
        parametric_map: (z, y, x) float32.
        findings: Sentences about the run that the sidecar repeats.
        progress: Told before each slice.

    Returns:
        Image and sidecar.
    """
    image, sidecar = folder / f"{stem}.nii.gz", folder / f"{stem}.json"
    write_nifti_volume(
        image,
        parametric_map.values,
        parametric_map.geometry,
        series_description(parametric_map),
        progress,
    )
    record = sidecar_record(parametric_map, findings)
    sidecar.write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return image, sidecar


def write_nifti_volume(
    path: Path,
    values: NDArray[np.float32],
    geometry: VolumeGeometry,
    description: str,
    progress: Progress,
) -> None:
    """Write one volume.

    Args:
        path: File ending in `.nii.gz`.
        values: (z, y, x).
        geometry: Grid.
        description: At most 79 characters of ASCII are kept.
        progress: Told before each slice.
    """
    slices, rows, columns = geometry.shape_zyx
    new_header: Any = nibabel.Nifti1Header
    header = new_header(endianness="<")
    header.set_data_dtype(np.float32)
    header.set_data_shape((columns, rows, slices))
    affine = ras_affine_mm(geometry)
    header.set_sform(affine, SCANNER_COORDINATES)
    header.set_qform(affine, SCANNER_COORDINATES, strip_shears=True)
    header.set_xyzt_units("mm", "sec")
    header["descrip"] = description.encode("ascii", "replace")[:79]
    header["magic"] = b"n+1"
    header.set_data_offset(header.single_vox_offset)
    header.set_slope_inter(1, 0)
    with (
        path.open("wb") as raw,
        gzip.GzipFile(
            filename="", mode="wb", compresslevel=COMPRESSION_LEVEL, fileobj=raw, mtime=0
        ) as out,
    ):
        header.write_to(out)
        out.write(bytes(header.single_vox_offset - out.tell()))
        for z in range(slices):
            progress.step(z / slices, f"Writing NIfTI slice {z + 1}")
            out.write(np.ascontiguousarray(values[z], "<f4").tobytes())


def sidecar_record(
    parametric_map: ParametricMap, findings: tuple[str, ...]
) -> dict[str, JsonValue]:
    """What made the map, for the JSON sidecar."""
    provenance, quantity = parametric_map.provenance, parametric_map.quantity
    window = window_min(provenance)
    return {
        "quantity": quantity.code,
        "label": quantity.label,
        "unit": quantity.unit.symbol,
        "Units": quantity.unit.ucum,
        "method_name": method_name(provenance),
        **provenance.to_dict(),
        "software_version": version_mark(provenance),
        "window_min": None if window is None else [*window],
        "input_function": input_function_record(provenance),
        "description": series_description(parametric_map),
        "derivation": derivation_text(parametric_map, missing_as_zero=False),
        "voxels_without_value": parametric_map.unfitted_count,
        "findings": list(findings),
        "intended_use": RESEARCH_USE,
    }
