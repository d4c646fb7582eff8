"""Read dynamic PET from ECAT 7 volumes (`.v`), frame by frame."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import KiviewError, ReadError
from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.progress import Progress
from kiview.core.study import Finding, PatientInfo, Series, SeriesKind, Verdict
from kiview.core.suv import SuvScale
from kiview.core.tracer import Injection, Radionuclide
from kiview.core.units import ACTIVITY, SUV_BW
from kiview.io import ecat_meaning
from kiview.io.dicom_frame_times import FIELDS
from kiview.io.dicom_meaning import BOTH_TO_CONFIRM, finding
from kiview.io.dicom_pet import ReadSeries
from kiview.io.dicom_suv import weight_findings
from kiview.io.ecat_facts import EcatPet, facts_of
from kiview.io.ecat_header import EcatFile, is_packed, open_ecat, read_ecat_header
from kiview.io.file_series import (
    file_uid,
    largest_value,
    own_suv_factor,
    refused_file,
    single_frame_findings,
    suv_at_injection,
)
from kiview.io.frame_store import VoxelCache, VoxelWriter, cache_key, identity, refuse_changed
from kiview.io.overrides import UserGiven
from kiview.io.suv_check import suv_findings
from kiview.io.time_checks import late_findings

_CM_ABOVE_M = 3.0
_HEAD_FIRST_SUPINE = 3
_POSITIONS = {
    0: "feet first, prone",
    1: "head first, prone",
    2: "feet first, supine",
    4: "feet first, on the right side",
    5: "head first, on the right side",
    6: "feet first, on the left side",
    7: "head first, on the left side",
}


def read_ecat(path: Path, given: UserGiven, cache: VoxelCache, progress: Progress) -> ReadSeries:
    """Read one file; what keeps it from being shown becomes a finding.

    Args:
        path: `.v` or `.v.gz`.
        given: Values entered by the user.
        cache: Where large series are kept.
        progress: Told at each frame.
    """
    patient = PatientInfo(weight_kg=given.number("weight_kg"), height_m=given.number("height_m"))
    fields: tuple[str, ...] = ()
    try:
        file = read_ecat_header(path)
        patient = _patient(file, given)
        fields = () if given.lists else FIELDS
        series = _series(file, given, patient, load_voxels(file, cache, progress))
    except KiviewError as error:
        series = refused_file((str(path),), ecat_uid(path), error, fields)
    return ReadSeries(series, patient)


def ecat_uid(path: Path) -> str:
    """Identity of the series of a file, of its place."""
    return file_uid(path, "ecat")


def _patient(file: EcatFile, given: UserGiven) -> PatientInfo:
    """The patient; a weight or height of 0 is absent, a height above 3 is in cm."""
    height = given.number("height_m") or max(file.number("patient_height"), 0.0)
    if height > _CM_ABOVE_M:
        height /= 100.0
    sex = file.text("patient_sex").upper()
    return PatientInfo(
        file.text("patient_id"),
        file.text("patient_name"),
        sex if sex in ("M", "F", "O") else "",
        given.number("weight_kg") or max(file.number("patient_weight"), 0.0) or None,
        height or None,
    )


def _series(file: EcatFile, given: UserGiven, patient: PatientInfo, voxels: NDArray[Any]) -> Series:
    units = ecat_meaning.units_of(file, given)
    half_life, half_life_findings = ecat_meaning.half_life_of(file, given)
    times = ecat_meaning.times_of(file, given, half_life)
    dose = ecat_meaning.dose_of(file, given)
    factor, decay_findings = ecat_meaning.decay_to_injection(file.frames, given, times, half_life)
    is_activity = units.quantity == ACTIVITY
    findings = [*_file_findings(file), *units.findings, *times.findings]
    findings += late_findings(times.timing, half_life)
    if is_activity:
        findings += [*ecat_meaning.correction_findings(file.frames), *half_life_findings]
        findings += [
            *decay_findings,
            *dose.findings,
            *weight_findings(patient.weight_kg, height_m=patient.height_m),
        ]
    findings += single_frame_findings(file.frames.count)
    to_injection = factor if factor is not None and is_activity else np.ones(file.frames.count)
    suv = None
    if is_activity and not any(one.suv is Verdict.REFUSED for one in findings):
        suv = suv_at_injection(patient.weight_kg, dose.dose_bq)
    scale = to_injection * units.factor
    image = DynamicImage(
        ScaledFrameStore(voxels, (file.frames.scale * scale)[:, None]),
        file.geometry,
        times.timing,
        units.quantity,
        _injection(file, half_life, dose.dose_bq),
        SuvScale(suv) if suv else None,
        ecat_uid(file.path),
        file.text("study_description") or file.path.name,
        units.quantity == SUV_BW or factor is not None,
        given.record(),
    )
    is_one_time = bool(np.ptp(to_injection) == 0)
    calibration = file.number("ecat_calibration_factor")
    of_file = own_suv_factor(units.quantity)
    if suv and is_one_time:
        of_file = suv * float(scale[0]) / calibration
    findings += suv_findings(image)
    known = EcatPet(file, given, patient, units, times, dose.dose_bq, half_life)
    return Series(
        image.series_uid,
        SeriesKind.DYNAMIC if image.is_dynamic else SeriesKind.STATIC,
        "PT",
        image.description,
        image,
        tuple(findings),
        largest_value(voxels, file.frames.scale * (calibration if calibration > 0 else 1.0)),
        of_file,
        (str(file.path),),
        units.units,
        facts_of(known, of_file, suv, tuple(findings)),
    )


def _injection(
    file: EcatFile, half_life_s: float | None, dose_bq: float | None
) -> Injection | None:
    if half_life_s is None:
        return None
    nuclide = Radionuclide(ecat_meaning.nuclide_of(file), half_life_s)
    return Injection(nuclide, dose_bq, file.text("radiopharmaceutical"))


def _file_findings(file: EcatFile) -> list[Finding]:
    told = [*_position_findings(file)]
    if file.missing_frames:
        message = (
            f"The header names {file.missing_frames} frames more than the file holds; it may be cut"
            " off. Compare it with the original."
        )
        told.append(finding("frames-missing", message, BOTH_TO_CONFIRM))
    if file.frames.has_offsets:
        message = (
            "The images were shifted in the field of view when they were reconstructed; positions"
            " count from the middle of the volume, so it may not lie right over other images."
        )
        told.append(Finding("position-centred", message))
    return told


def _position_findings(file: EcatFile) -> tuple[Finding, ...]:
    """Programs agree on the directions of head first, supine only."""
    code = int(file.number("patient_orientation"))
    if code == _HEAD_FIRST_SUPINE:
        return ()
    if code in _POSITIONS:
        told = (
            f"says that the patient lay {_POSITIONS[code]}, for which programs differ; it is shown"
            " as if head first, supine"
        )
    else:
        told = "does not say how the patient lay; head first, supine was assumed"
    message = (
        f"The header {told}: left and right, or head and feet, may be exchanged. Compare it"
        " with another image."
    )
    return (finding("orientation-unknown", message, BOTH_TO_CONFIRM),)


def load_voxels(file: EcatFile, cache: VoxelCache, progress: Progress) -> NDArray[Any]:
    """Voxels (t, z, y, x) as stored, feet first; large ones are memory-mapped in the cache.

    One plane at a time is in memory besides the store.

    Raises:
        ReadError: the file is cut off or damaged.
    """
    identities = [identity(file.path)]
    key = cache_key(identities)
    found = cache.find(key)
    if found is not None and found[0].shape == file.shape_tzyx:
        return found[0]
    _refuse_cut_off(file)
    try:
        with (
            open_ecat(file.path) as stream,
            cache.create(key, file.shape_tzyx, file.dtype.newbyteorder("=")) as writer,
        ):
            for t, offset in enumerate(file.frames.offset):
                message = f"Reading frame {t + 1} of {file.frames.count}"
                progress.step(t / file.frames.count, message)
                stream.seek(offset)
                _read_frame(stream, file, writer, t)
            refuse_changed(identities)
            return writer.finish({})
    except (OSError, EOFError, zlib.error) as error:
        raise ReadError(f"{file.path} is damaged: {str(error)[:120] or 'unreadable'}.") from error


def _refuse_cut_off(file: EcatFile) -> None:
    """Before room is made for voxels that are not there; the length of a packed file is unknown."""
    if is_packed(file.path):
        return
    length = file.path.stat().st_size
    size = int(np.prod(file.geometry.shape_zyx)) * file.dtype.itemsize
    for t, offset in enumerate(file.frames.offset):
        if offset + size > length:
            raise _cut_off(file, t)


def _cut_off(file: EcatFile, t: int) -> ReadError:
    return ReadError(
        f"{file.path} is cut off in frame {t + 1} of {file.frames.count}; copy it again."
    )


def _read_frame(stream: Any, file: EcatFile, writer: VoxelWriter, t: int) -> None:  # noqa: ANN401
    """Read one frame; the file begins with the plane at the head, the store with the feet."""
    z, y, x = file.shape_tzyx[1:]
    size = y * x * file.dtype.itemsize
    for k in reversed(range(z)):
        data = stream.read(size)
        if len(data) != size:
            raise _cut_off(file, t)
        writer.put(t, k, np.frombuffer(data, file.dtype).reshape(y, x))
