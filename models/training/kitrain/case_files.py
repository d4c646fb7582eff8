"""A real case from files: the dynamic series, and a Ki map that another program made of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kitrain.groups import Volume
from kiview.core.errors import GeometryMismatchError, ReadError, UnsupportedDataError
from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage
from kiview.core.progress import NullProgress
from kiview.core.provenance import JsonValue
from kiview.core.resample import resample
from kiview.core.study import Series, Verdict
from kiview.io.bids_sidecar import read_sidecar
from kiview.io.dicom_pet import ReadSeries, read_pet
from kiview.io.dicom_volume import is_rate_map
from kiview.io.frame_store import VoxelCache
from kiview.io.image_kinds import sidecar_path
from kiview.io.nifti import read_nifti
from kiview.io.overrides import OverrideValue, parse_overrides
from kiview.io.scan import scan
from kiview.io.sop_classes import PET

KI_UNITS = ("mL/min/mL", "ml/min/ml", "mL/min/ml", "1/min", "/min", "min-1")
_NETWORK = "network"
_LEAST_COVER = 0.5
_LONGEST_METHOD = 80


class CaseError(UnsupportedDataError):
    """A real case cannot be learnt from; the text says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A dynamic series to learn from.

    Attributes:
        image: Its frames.
        patient_id: Hospital id; hashed before anything is stored, empty if unknown.
        series_uid: Of the series; hashed likewise.
        findings: What was assumed when reading it.
    """

    image: DynamicImage
    patient_id: str
    series_uid: str
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceFile:
    """A Ki map made elsewhere.

    Attributes:
        values: (z, y, x) /min on the grid of the frames; NaN where it has no value.
        method: What made it.
        settings: Of that method.
        window_min: Frames it was made of, from and to, or None if its record does not say.
    """

    values: Volume
    method: str
    settings: dict[str, JsonValue]
    window_min: tuple[float, float] | None


def read_case(path: Path, overrides: Mapping[str, OverrideValue], cache: VoxelCache) -> Case:
    """Read the dynamic series with most frames of a study.

    Args:
        path: Folder, DICOM file or NIfTI file.
        overrides: Values entered by the user, by the names of `--set`.
        cache: Where voxels of large series are kept.

    Raises:
        ReadError: nothing there can be read.
        CaseError: no dynamic series there allows kinetics.
    """
    reads = list(_read_all(path, overrides, cache))
    usable = [read for read in reads if _refusal(read.series) == ""]
    if not usable:
        reasons = list(dict.fromkeys(_refusal(read.series) for read in reads))[:3]
        told = " ".join(reasons) or "It holds no PET series."
        raise CaseError(f"{path} has no dynamic series to learn from. {told}")
    chosen = max(usable, key=lambda read: _frame_count(read.series))
    image = chosen.series.image
    if image is None:
        raise CaseError(f"{path} has no dynamic series to learn from.")
    findings = tuple(finding.message for finding in chosen.series.findings)
    return Case(image, chosen.patient.patient_id, chosen.series.uid, findings)


def read_reference(path: Path, image: DynamicImage, cache: VoxelCache) -> ReferenceFile:
    """Read a Ki map and the JSON record beside it, on the grid of the frames.

    Args:
        path: `.nii` or `.nii.gz`; the record has its name and the ending `.json`.
        image: The frames.
        cache: Where voxels of large series are kept.

    Raises:
        CaseError: no record, no Ki in mL/min/mL, or a network made it.
        GeometryMismatchError: it does not cover the frames.
    """
    record = read_sidecar(sidecar_path(path))
    method = record.text("method")
    if not method:
        raise CaseError(
            f"{path.name} has no record {sidecar_path(path).name} that says its method; write one"
            ' with "method", "quantity": "Ki" and "unit": "mL/min/mL".'
        )
    _refuse_network(path, record.values)
    quantity, unit = record.text("quantity"), record.text("unit", "Units")
    if quantity != "Ki" or unit not in KI_UNITS:
        raise CaseError(
            f"{path.name} holds {quantity or 'an unknown quantity'} in {unit or 'no unit'} by its"
            " record; a reference is Ki in mL/min/mL."
        )
    series = read_nifti(path, parse_overrides({}), cache, NullProgress()).series
    if series.image is None or series.image.frame_count != 1:
        raise CaseError(f"{path.name} is no volume of Ki. {_messages(series)}")
    values = _on_grid(path, series.image, image.geometry)
    window = record.numbers("window_min")
    pair = None if window is None or len(window) != 2 else (float(window[0]), float(window[1]))
    return ReferenceFile(values, method[:_LONGEST_METHOD], _numbers(record.values), pair)


def _numbers(record: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Settings of the method that are numbers; words of others may name a patient."""
    settings = record.get("settings")
    if not isinstance(settings, dict):
        return {}
    return {str(k): v for k, v in settings.items() if isinstance(v, int | float)}


def _read_all(
    path: Path, overrides: Mapping[str, OverrideValue], cache: VoxelCache
) -> Iterator[ReadSeries]:
    given, quiet = parse_overrides(overrides), NullProgress()
    index = scan(path)
    if index.is_empty:
        raise ReadError(f"{path} holds no image that KiView reads; choose the folder of the study.")
    for files in index.dicom:
        if files.sop_class == PET and not is_rate_map(files.headers):
            yield read_pet(files, given, cache, quiet)
    for file in index.nifti:
        yield read_nifti(file, given, cache, quiet)


def _refusal(series: Series) -> str:
    """Why nothing can be learnt from a series, empty if it can."""
    if series.image is None or series.kinetics_verdict is Verdict.REFUSED:
        return _messages(series)
    if not series.image.is_dynamic:
        return "A series has one frame only."
    return ""


def _messages(series: Series) -> str:
    return " ".join(finding.message for finding in series.findings[:2])


def _frame_count(series: Series) -> int:
    return 0 if series.image is None else series.image.frame_count


def _refuse_network(path: Path, record: Mapping[str, Any]) -> None:
    network = record.get("network_id") or record.get("weight_set_id")
    if network or _NETWORK in str(record.get("method", "")).lower():
        raise CaseError(
            f"{path.name} was made by a network ({network or record['method']}); a network trained"
            " on it would learn its own output. Give a map of another method."
        )


def _on_grid(path: Path, reference: DynamicImage, grid: VolumeGeometry) -> Volume:
    """The map on the grid of the frames, NaN where it has no value."""
    values = resample(reference.store.frame(0), reference.geometry, grid)
    covered = float(np.isfinite(values).mean())
    if covered < _LEAST_COVER:
        raise GeometryMismatchError(
            f"{path.name} covers {100 * covered:.0f} % of the frames' volume; give the map of this"
            " scan, in the same patient coordinates."
        )
    return values
